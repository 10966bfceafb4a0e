using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary><c>./lab ui</c> as a program of its own, which gets signals as in a terminal; with the real MLflow where there is one.</summary>
public sealed class UiCommandTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task The_real_mlflow_opens_on_a_folder_and_ends_with_all_its_helpers()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "signals and /proc");
        var mlflow = MlflowServer.Find();
        string parent, experiment;
        using (var store = folder.Open())
        {
            (parent, _) = StoreCopySample.Fill(store);
            experiment = store.GetRun(parent).Info.ExperimentId;
        }
        Directory.CreateDirectory(Path.Combine(folder.Path, "mlruns", "0"));        // what a plain server would prefer

        for (var time = 0; time < 2; time++)
        {
            using var ui = new Ui(mlflow, folder.Path);
            var links = ui.Until("Ctrl-C ends it.");
            var address = links.Single(l => l.StartsWith("MLflow: ", StringComparison.Ordinal)).Split(' ')[1].Split("/#")[0];
            using var client = new HttpClient { BaseAddress = new Uri(address) };
            Assert.Equal("OK", await client.GetStringAsync("/health", TestContext.Current.CancellationToken));
            Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/", TestContext.Current.CancellationToken)).StatusCode);
            Assert.Contains("full, renamed", Search(client, experiment), StringComparison.Ordinal);
            Assert.Contains($"  ablation: {address}/#/experiments/{experiment}/runs?workflowType=machine_learning", links);
            Assert.Contains($"  latest run with others in it, parent: {address}/#/experiments/{experiment}/runs/{parent}?workflowType=machine_learning", links);
            Assert.Equal(time == 0, links.Any(l => l.Contains("mlflow.db.before-ui", StringComparison.Ordinal)));
            var family = Ui.Descendants(ui.Id);
            Assert.True(family.Count > 1, $"{family.Count}");

            ui.Signal(time == 0 ? "INT" : "TERM");

            Assert.Equal(0, ui.ExitCode());
            Assert.All(family, id => Assert.False(Ui.Lives(id), $"{id} is left"));
        }
        var copy = folder.File + ".before-ui";
        Assert.Equal([copy], Directory.EnumerateFiles(folder.Path, "*before-ui*"));     // one, of before the upgrade
        using var kept = SqliteStore.Open("sqlite:///" + copy, readOnly: true);
        Assert.Equal("full, renamed", kept.SearchRuns(new()).Single(r => r.Tags.GetValueOrDefault("mlflow.parentRunId") == parent && r.Info.Status == RunStatus.Finished).Info.Name);
        Assert.NotEqual(["acf3f17fdcc7"], folder.Rows("SELECT version_num FROM alembic_version"));
    }

    [Fact]
    public void When_the_program_is_killed_the_server_ends_too()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "setsid and /proc are Linux's");
        folder.Open().Dispose();
        using var ui = new Ui(Fake("trap '' INT; sleep 1000 & wait"), folder.Path);
        while (Ui.Descendants(ui.Id).Count < 4) Thread.Sleep(50);
        var family = Ui.Descendants(ui.Id);

        ui.Signal("KILL");

        ui.ExitCode();
        Assert.True(SpinWait.SpinUntil(() => !family.Any(Ui.Lives), 10_000), string.Join(",", family.Where(Ui.Lives)));
    }

    [Fact]
    public void A_server_that_ends_is_told_with_its_last_words()
    {
        folder.Open().Dispose();
        using var ui = new Ui(Fake("echo one >&2; echo 'Detected out-of-date database schema' >&2; exit 3"), folder.Path);

        Assert.Equal(1, ui.ExitCode());
        Assert.Contains("error: MLflow ended before it answered; its last words: one | Detected out-of-date database schema", ui.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_signal_ends_a_server_that_does_not_come_up()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "setsid and /proc are Linux's");
        folder.Open().Dispose();
        using var ui = new Ui(Fake("trap '' TERM INT; while :; do sleep 1; done"), folder.Path);
        while (Ui.Descendants(ui.Id).Count < 4) Thread.Sleep(50);
        var family = Ui.Descendants(ui.Id);

        ui.Signal("INT");
        Thread.Sleep(500);
        Assert.Contains(family, Ui.Lives);
        ui.Signal("INT");

        Assert.Equal(0, ui.ExitCode());
        Assert.True(SpinWait.SpinUntil(() => !family.Any(Ui.Lives), 5_000));
    }

    [Fact]
    public void The_copy_is_made_once_and_never_overwrites_another()
    {
        using var store = folder.Open();
        StoreCopySample.Fill(store);
        Assert.Equal(folder.File + ".before-ui", store.BackUpBeforeUpgrade());
        store.DeleteRun(store.SearchRuns(new())[0].Info.RunId);
        Assert.Equal(folder.File + ".before-ui-2", store.BackUpBeforeUpgrade());
        Assert.Equal((5, 4), (Runs(".before-ui"), Runs(".before-ui-2")));
        folder.Execute("UPDATE alembic_version SET version_num = 'dc11669786a5'");
        Assert.Null(store.BackUpBeforeUpgrade());

        int Runs(string ending)
        {
            using var copy = SqliteStore.Open(folder.Uri + ending, readOnly: true);
            return copy.SearchRuns(new()).Count;
        }
    }

    [Fact]
    public void Mistakes_are_one_line()
    {
        folder.Open().Dispose();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        Assert.Contains($"--port {port} is taken by another program", Failure(Fake("exit 0"), folder.Path, "--port", $"{port}"), StringComparison.Ordinal);
        Assert.Contains("there is no database", Failure(Fake("exit 0"), Path.Combine(folder.Path, "mlartifacts")), StringComparison.Ordinal);
        Assert.Contains("there is no mlflow on the PATH: `pip install mlflow`", Failure(null, folder.Path), StringComparison.Ordinal);
        Assert.Contains("JEPAT_MLFLOW names nothing", Failure("nothing", folder.Path), StringComparison.Ordinal);
        Assert.Contains("give one of them", Failure(null, folder.Path, "--tracking", folder.Uri), StringComparison.Ordinal);
    }

    private static string Failure(string? mlflow, params string[] arguments)
    {
        using var ui = new Ui(mlflow, arguments);
        Assert.Equal(1, ui.ExitCode());
        return Assert.Single(ui.Errors.TrimEnd().Split('\n'));
    }

    private string Fake(string script)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "a shell script");
        var file = Path.Combine(folder.Path, "mlflow");
        File.WriteAllText(file, $"#!/bin/sh\n{script}\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return file;
    }

    private static string Search(HttpClient client, string experiment)
    {
        using var body = new StringContent($$"""{"experiment_ids":["{{experiment}}"]}""", System.Text.Encoding.UTF8, "application/json");
        return client.PostAsync("/ajax-api/2.0/mlflow/runs/search", body).Result.Content.ReadAsStringAsync().Result;
    }

    private sealed class Ui : IDisposable
    {
        private readonly Process process;
        private readonly Task<string> errors;

        public Ui(string? mlflow, params string[] arguments)
        {
            var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", typeof(UiCommand).Assembly.Location, "ui", .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.Environment["JEPAT_MLFLOW"] = mlflow;
            if (mlflow is null) start.Environment["PATH"] = "/nowhere";
            process = Process.Start(start)!;
            errors = process.StandardError.ReadToEndAsync();
        }

        public int Id => process.Id;

        public string Errors => errors.Result;

        public List<string> Until(string line)
        {
            var lines = new List<string>();
            while (process.StandardOutput.ReadLine() is { } read)
            {
                lines.Add(read);
                if (read == line) return lines;
            }
            throw new InvalidOperationException($"the program ended: {Errors}");
        }

        public void Signal(string name)
        {
            using var kill = Process.Start("kill", ["-" + name, $"{Id}"]);
            kill.WaitForExit();
        }

        public int ExitCode()
        {
            Assert.True(process.WaitForExit(30_000), "it does not end");
            return process.ExitCode;
        }

        public static List<int> Descendants(int id)
        {
            var children = new List<int>();
            foreach (var folder in Directory.EnumerateDirectories("/proc"))
                if (int.TryParse(Path.GetFileName(folder), out var child) && Stat(child) is { } stat && int.Parse(stat[1], System.Globalization.CultureInfo.InvariantCulture) == id)
                    children.AddRange([child, .. Descendants(child)]);
            return children;
        }

        public static bool Lives(int id) => Stat(id) is { } stat && stat[0] != "Z";

        // Behind the name in parentheses: state, parent.
        private static string[]? Stat(int id)
        {
            try
            {
                var text = File.ReadAllText($"/proc/{id}/stat");
                return text[(text.LastIndexOf(')') + 2)..].Split(' ');
            }
            catch (IOException)
            {
                return null;
            }
        }

        public void Dispose()
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            process.Dispose();
        }
    }
}
