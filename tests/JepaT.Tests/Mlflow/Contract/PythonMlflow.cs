using System.Diagnostics;

namespace JepaT.Tests;

/// <summary>MLflow's own Python client: it tells what a store holds, in rows, and writes a run of everything.</summary>
internal static class PythonMlflow
{
    private const string Program = """
        import struct, sys, tempfile, pathlib
        from mlflow import MlflowClient
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
        command, uri, *names = sys.argv[1:]
        client = MlflowClient(tracking_uri=uri)

        def point(what, m):
            return f"{what} {m.key} {m.timestamp} {m.step} {struct.pack('>d', m.value).hex()}"

        def files(run, folder=None):
            for f in client.list_artifacts(run, folder):
                if f.is_dir: yield from files(run, f.path)
                else: yield f

        def dump(name):
            experiment = client.get_experiment_by_name(name)
            print(f"experiment {experiment.experiment_id} {experiment.name} {sorted(experiment.tags.items())}".encode('unicode_escape').decode())
            runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, order_by=["run_id"])
            for run in runs:
                i, d = run.info, run.data
                rows = [f"run {i.run_id} {i.run_name} {i.status} {i.start_time} {i.end_time or None} {i.artifact_uri} {i.lifecycle_stage}"]
                rows += [f"param {k} {v}" for k, v in sorted(d.params.items())]
                rows += [f"tag {k} {v}" for k, v in sorted(d.tags.items())]
                rows += [point("latest", m) for m in sorted(d._metric_objs, key=lambda m: m.key)]
                for key in sorted(d.metrics):
                    rows += [point("point", m) for m in sorted(client.get_metric_history(i.run_id, key), key=lambda m: (m.timestamp, m.step, m.value))]
                for x in sorted(run.inputs.dataset_inputs, key=lambda x: (x.dataset.name, x.dataset.digest)):
                    s = x.dataset
                    rows.append(f"input {s.name} {s.digest} {s.source_type} {s.source} {s.schema} {s.profile} {[t.value for t in x.tags]}")
                if uri.startswith("http"):
                    for f in sorted(files(i.run_id), key=lambda f: f.path):
                        with tempfile.TemporaryDirectory() as folder:
                            bytes_ = pathlib.Path(client.download_artifacts(i.run_id, f.path, folder)).read_bytes()
                        rows.append(f"file {f.path} {len(bytes_)} {bytes_[:64].hex()}")
                for row in rows: print(row.encode('unicode_escape').decode())

        def write(name):
            found = client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else client.create_experiment(name, tags={"mlflow.note.content": "# from Python\n ünï"})
            parent = client.create_run(experiment, start_time=5000, run_name="python parent", tags={"mlflow.user": "anna"}).info.run_id
            run = client.create_run(experiment, start_time=6000, run_name="python ünï 中", tags={"mlflow.parentRunId": parent}).info.run_id
            for i, v in enumerate([float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 1.7976931348623157e308, 0.1]):
                client.log_metric(run, f"odd/{i}", v, timestamp=10 + i, step=9007199254740993 if i else -3)
            client.log_batch(run, [Metric("m", v, t, s) for v, t, s in [(1., 10, 5), (2., 10, 5), (9., 99, 4), (1., 10, 5), (-1., 5, -7), (3., 11, 6)]],
                [Param("lr", "1e-05"), Param("empty", ""), Param("long", "v" * 6000)], [RunTag("phase", "it's \"so\""), RunTag("empty", "")])
            client.log_param(run, "flag", True)
            client.set_tag(run, "gone", "x"); client.delete_tag(run, "gone")
            client.log_inputs(run, [DatasetInput(Dataset("set", "a1b2c3d4", "local", "{}", '{"mlflow_colspec": []}', '{"num_rows": 3}'), [InputTag("mlflow.data.context", "training")])])
            if uri.startswith("http"):
                client.log_text(run, "text ü\n", "a folder/notes + ü.txt")
                client.log_dict(run, {"a": [1, None]}, "d/deep/x.json")
            client.set_terminated(run, "FINISHED", end_time=7000)
            client.set_terminated(parent, "KILLED", end_time=8000)

        for name in names: {"dump": dump, "write": write}[command](name)
        """;

    /// <summary>Runs it for experiments; skips the test without it. Gives the lines it prints.</summary>
    public static List<string> Run(string command, string uri, params string[] experiments)
    {
        var python = MlflowServer.FindMlflow(out var reason) is { } mlflow ? Path.Combine(Path.GetDirectoryName(mlflow)!, "python") : null;
        Assert.SkipWhen(python is null, reason);
        Assert.SkipUnless(File.Exists(python), $"no Python beside mlflow: {python}");
        var start = new ProcessStartInfo(python, ["-c", Program, command, uri, .. experiments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove("MLFLOW_TRACKING_URI");
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.GetAwaiter().GetResult());
        return [.. lines];
    }
}
