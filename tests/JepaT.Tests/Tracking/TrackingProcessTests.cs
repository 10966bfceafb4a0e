using System.Diagnostics;
using System.Globalization;
using JepaT.Lab;

namespace JepaT.Tests;

public sealed class TrackingProcessTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Four_processes_that_make_one_store_and_log_at_once_lose_nothing()
    {
        const int values = 2000;
        var processes = Enumerable.Range(0, 4).Select(i => TrackingProcess.Start(folder.Uri, $"run {i}", values)).ToList();
        try
        {
            var ids = processes.ConvertAll(p => p.StandardOutput.ReadToEndAsync()).ConvertAll(t => t.GetAwaiter().GetResult().Split('\n')[0].Trim());
            processes.ForEach(p => p.WaitForExit());
            Assert.All(processes, p => Assert.Equal(0, p.ExitCode));

            using var store = folder.Open();
            Assert.Equal(4, store.SearchRuns(new() { Tags = new Dictionary<string, string>() }).Count);
            foreach (var id in ids)
            {
                Assert.Equal(RunStatus.Finished, store.GetRun(id).Info.Status);
                Assert.Equal(Enumerable.Range(0, values).Select(i => (double)i), store.MetricHistory(id, "train/loss").Select(m => m.Value).Order());
            }
            Assert.Equal(["Default", "processes"], store.Experiments().Select(e => e.Name));
        }
        finally
        {
            processes.ForEach(End);
        }
    }

    [Fact]
    public void A_process_killed_while_logging_loses_at_most_its_last_second()
    {
        var process = TrackingProcess.Start(folder.Uri, "killed", int.MaxValue);
        try
        {
            var id = process.StandardOutput.ReadLine()!;
            Assert.Equal(32, id.Length);
            var logged = new List<(int Step, long Time)>();
            while (logged.Count < 250 && process.StandardOutput.ReadLine() is { } line)
            {
                var parts = line.Split(' ');
                logged.Add((int.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture)));
            }
            var killed = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
            process.Kill();         // SIGKILL
            process.WaitForExit();

            Assert.Equal(["ok"], folder.Rows("PRAGMA integrity_check"));
            using var store = folder.Open();
            var steps = store.MetricHistory(id, "train/loss").Select(m => m.Step).ToList();
            Assert.Equal(Enumerable.Range(0, steps.Count).Select(i => (long)i), steps);
            Assert.InRange(steps.Count, logged.Last(l => l.Time < killed - 1000).Step, int.MaxValue);
            Assert.Equal(RunStatus.Running, store.GetRun(id).Info.Status);
            using var log = RunLogger.Resume(store, id);
            log.Metric("train/loss", 1, steps.Count);
            log.Finish();
            Assert.Equal(steps.Count + 1, store.MetricHistory(id, "train/loss").Count);
        }
        finally
        {
            End(process);
        }
    }

    private static void End(Process process)
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }
}
