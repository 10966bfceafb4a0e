using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>
/// A process of its own that logs a run as a training does. It is this test program once more, with its orders in an
/// environment variable, so that what is tested is the built code.
/// </summary>
internal static class TrackingProcess
{
    private const string Orders = "JEPAT_TEST_LOGGER";

    /// <summary>Starts one that logs values 0, 1, 2, … of <c>train/loss</c>, one a millisecond or so. It prints its run's id, then each step that is a multiple of 10, with the time in ms.</summary>
    public static Process Start(string uri, string name, int values, string? spool = null)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", typeof(TrackingProcess).Assembly.Location])
        {
            RedirectStandardOutput = true,
        };
        start.Environment[Orders] = string.Join('\n', uri, name, values.ToString(CultureInfo.InvariantCulture));
        if (spool is not null) start.Environment["JEPAT_MLFLOW_SPOOL"] = spool;
        return Process.Start(start)!;
    }

    [ModuleInitializer]
    internal static void RunOrders()
    {
        if (Environment.GetEnvironmentVariable(Orders)?.Split('\n') is not [var uri, var name, var values]) return;
        using (var store = TrackingStores.OpenToLog(uri))
        using (var log = RunLogger.Start(store, "processes", name))
        {
            Console.WriteLine(log.RunId);
            for (var i = 0; i < int.Parse(values, CultureInfo.InvariantCulture); i++)
            {
                log.Metric("train/loss", i, i);
                if (i % 10 == 0) Console.WriteLine($"{i} {TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()}");
                Thread.Sleep(1);
            }
            log.Finish();
        }
        Environment.Exit(0);
    }
}
