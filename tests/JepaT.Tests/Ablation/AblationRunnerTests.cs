using System.Text.Json;
using JepaT.Lab;
using JepaT.Model;
using SkiaSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>The whole path on a tiny set of pictures: two presets, few steps, the real store, report and files.</summary>
public sealed partial class AblationRunnerTests : IDisposable
{
    private readonly TinyFashion files = new();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    public AblationRunnerTests() => set_num_threads(1);

    public void Dispose()
    {
        files.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void Runs_what_is_missing_and_reports_everything()
    {
        var experiment = Tiny(["none", "full"]);
        var first = Run(experiment, only: ["none"]);
        Assert.Equal(["none"], first.Presets);

        var said = new StringWriter();
        var second = Run(experiment, output: said);

        Assert.Contains("none, seed 0: finished before", said.ToString(), StringComparison.Ordinal);
        Assert.Equal(["none", "full"], second.Presets);
        Assert.All(second.Runs, r => Assert.True(r.Finished));
        Assert.Equal(["./lab ablate --seeds 1 --only none"], first.Repeat);
        Assert.Equal(["./lab ablate --seeds 1"], second.Repeat);
        Assert.Equal(2, second.Calls.Count);
        Assert.Equal(first.Calls[0], second.Calls[0]);
        Assert.Equal(second.Calls.Sum(c => c.Duration.TotalSeconds), second.Duration!.Value.TotalSeconds, 1e-6);
        Assert.All(second.Runs, r => Assert.Contains("fid_fashion_20", r.Final.Keys));
        Assert.All(second.Runs, r => Assert.Contains("alignment_held_out_fashion_16", r.Final.Keys));
        Assert.All(new[] { "report.html", "ablation.json", "table.md", "table.csv", "samples-seed-0.png" }, name => Assert.True(File.Exists(Path.Combine(Output, name)), name));

        using var store = SqliteStore.Open(Uri, readOnly: true);
        var parent = File.ReadAllText(Path.Combine(Output, "mlflow-run")).Trim();
        Assert.Equal(RunStatus.Finished, store.GetRun(parent).Info.Status);
        Assert.Contains(store.Artifacts(parent), a => a.Path == "report.html");
        Assert.Equal("8", store.GetRun(parent).Params["training.steps"]);
        var children = store.SearchRuns(new RunQuery { ParentRunId = parent });
        Assert.Equal(second.Runs.Select(r => r.RunId).Order(), children.Select(c => c.Info.RunId).Order());
        Assert.All(children, c => Assert.Equal(2, store.MetricHistory(c.Info.RunId, "eval/fid_fashion_20").Count));
    }

    [Fact]
    public void A_run_carries_its_code_machine_model_data_and_prompts_in_few_keys()
    {
        var run = Assert.Single(Run(Tiny(["full"])).Runs).RunId;

        using var store = SqliteStore.Open(Uri, readOnly: true);
        var logged = store.GetRun(run);
        using var environment = JsonDocument.Parse(store.OpenArtifact(run, "environment.json"));
        var root = environment.RootElement;
        Assert.Equal(typeof(TorchSharp.torch).Assembly.GetName().Version!.ToString(3), root.GetProperty("packages").GetProperty("TorchSharp").GetString());
        Assert.Contains(root.GetProperty("packages").EnumerateObject(), p => p.Name.StartsWith("libtorch-", StringComparison.Ordinal));
        Assert.Equal(Environment.ProcessorCount, root.GetProperty("machine").GetProperty("cores").GetInt32());
        Assert.True(root.GetProperty("machine").GetProperty("memory_bytes").GetInt64() > 1_000_000_000);
        Assert.Contains("fusion full", Text("model_summary.txt"), StringComparison.Ordinal);
        Assert.Contains("experiment.yaml", store.Artifacts(run).Select(a => a.Path));
        using var prompts = JsonDocument.Parse(store.OpenArtifact(run, "sample_prompts.json"));
        Assert.True(prompts.RootElement.GetProperty("data").GetArrayLength() > 0);
        Assert.Contains("sample_prompts.json", logged.Tags["mlflow.loggedArtifacts"], StringComparison.Ordinal);
        var training = Assert.Single(logged.Inputs, i => i.Context == "training");
        Assert.Contains("\"num_rows\"", training.Profile, StringComparison.Ordinal);
        Assert.Contains("mlflow_colspec", training.Schema, StringComparison.Ordinal);
        Assert.Equal(100, logged.Metrics["train/progress_percentage"].Value);
        Assert.InRange(logged.Metrics.Count, 10, 49 - 5);                   // and five of a GPU
        Assert.All(store.Artifacts(run).Where(a => a.Path.StartsWith("images/", StringComparison.Ordinal)),
            a => Assert.Matches(@"^images/eval~samples\+step\+\d+\+timestamp\+\d+\+[0-9a-f-]{36}(\+compressed)?\.png$", a.Path));
        Assert.Contains(store.Artifacts(run), a => a.Path.StartsWith("images/eval~samples+step+0+", StringComparison.Ordinal));
        using var picture = SKBitmap.Decode(store.OpenArtifact(run, store.Artifacts(run).First(a => a.Path.StartsWith("images/", StringComparison.Ordinal) && !a.Path.Contains("compressed", StringComparison.Ordinal)).Path));
        Assert.True(picture.Width >= 256, $"{picture.Width} pixels");

        string Text(string name)
        {
            using var reader = new StreamReader(store.OpenArtifact(run, name));
            return reader.ReadToEnd();
        }
    }

    [Fact]
    public void A_run_with_other_settings_in_its_folder_is_refused_before_anything_is_computed()
    {
        var experiment = Tiny(["none", "full"]);
        var full = Directory.CreateDirectory(Path.Combine(Output, "full-seed0")).FullName;
        var other = experiment with { Fusion = Fusion.Full, Training = experiment.Training with { Steps = 20 } };
        File.WriteAllText(Path.Combine(full, "experiment.yaml"), ExperimentFile.ToYaml(other));
        File.WriteAllText(Path.Combine(full, "result.json"), "{}");

        var error = Assert.Throws<UserException>(() => Run(experiment));

        Assert.Contains($"{full}: holds a run with another training.steps (20, now 8)", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(Output, "none-seed0")));
    }

    [Fact]
    public void A_failing_preset_does_not_stop_the_others()
    {
        var experiment = Tiny(["late", "full"]);
        Directory.CreateDirectory(Path.Combine(Output, "late-seed0"));
        File.WriteAllText(Path.Combine(Output, "late-seed0", "experiment.yaml"), ExperimentFile.ToYaml(experiment with { Fusion = Fusion.Parse("late") }));
        File.WriteAllText(Path.Combine(Output, "late-seed0", "checkpoint.safetensors"), "no checkpoint");

        var result = Run(experiment);

        Assert.Equal(["FAILED", "FINISHED"], result.Runs.Select(r => r.Status));
        Assert.Contains("checkpoint.safetensors", result.Runs[0].Error, StringComparison.Ordinal);
        Assert.Contains("failed", ResultTable.Of(result).Markdown(), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_experiment_in_the_same_folder_is_refused()
    {
        Run(Tiny(["none"]));

        var error = Assert.Throws<UserException>(() => Run(Tiny(["none"]) with { Seed = 7 }));

        Assert.Contains("another seed (0, now 7)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stopped_ablation_goes_on_where_it_was()
    {
        var experiment = Tiny(["full"]);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => Run(experiment, stop: stop));
        using (var store = SqliteStore.Open(Uri, readOnly: true))
            Assert.Equal(RunStatus.Killed, store.GetRun(File.ReadAllText(Path.Combine(Output, "full-seed0", "mlflow-run")).Trim()).Info.Status);

        var result = Run(experiment);

        Assert.True(Assert.Single(result.Runs).Finished);
        Assert.Equal(2, result.Calls.Count);                                    // the stopped one, too
    }

    [Fact]
    public void Presets_with_different_numbers_of_seeds_take_a_command_each()
    {
        RunResult[] runs = [Fake.Run("none", 0, 1), Fake.Run("full", 0, 1), Fake.Run("full", 1, 1)];

        Assert.Equal(["go --seeds 1 --only none", "go --seeds 2 --only full"], AblationCalls.Repetition("go", ["none", "full"], runs));
    }

    [Fact]
    public void A_start_that_failed_before_anything_was_computed_does_not_bind_the_folder()
    {
        Directory.CreateDirectory(Output);
        File.WriteAllText(Path.Combine(Output, "experiment.yaml"), "name: left\nseed: 5\n");

        var result = Run(Tiny(["none"]));

        Assert.True(Assert.Single(result.Runs).Finished);
        Assert.Equal("tiny", ExperimentFile.Load(Path.Combine(Output, "experiment.yaml")).Name);
    }

    [Fact]
    public void A_broken_list_of_calls_is_named()
    {
        Run(Tiny(["none"]));
        File.WriteAllText(Path.Combine(Output, "calls.json"), "[{");

        Assert.Contains("calls.json", Assert.Throws<UserException>(() => Run(Tiny(["none"]))).Message, StringComparison.Ordinal);
    }
}
