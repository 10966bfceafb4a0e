using Spectre.Console;

namespace JepaT.Lab;

/// <summary><c>./lab bench --tracking</c>: measures in a folder of its own, with the real MLflow where there is one, and prints tables.</summary>
internal static class BenchTrackingTable
{
    private const int Million = 1_000_000, ServerValues = 50_000, PairCount = 5, StepsOfBlock = 20;

    /// <summary>Measures and prints; 0.</summary>
    public static int Run(int threads)
    {
        using var stop = new StopSignal("the measurement is given up");       // its folder and server go with it
        var cancel = stop.Token;
        set_num_threads(threads);
        var folder = Directory.CreateTempSubdirectory("jepat-bench-").FullName;
        try
        {
            Print(Rates(folder, cancel));
            using var store = SqliteStore.Open("sqlite:///" + Path.Combine(folder, "steps.db"));
            using var work = new BenchWork(BenchSize.All["tiny"]);
            List<TrackingPair> pairs;
            using (var progress = new Progress("training with and without logging", PairCount, "pairs"))
                pairs = BenchTracking.Pairs(work.Train, store, PairCount, StepsOfBlock, done => progress.Report(done), cancel);
            Print(pairs, threads);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static List<TrackingRate> Rates(string folder, CancellationToken cancel)
    {
        var rates = new List<TrackingRate>();
        using (var store = SqliteStore.Open("sqlite:///" + Path.Combine(folder, "values.db"))) rates.Add(Rate(store, "SQLite", Million, cancel));
        string program;
        try
        {
            program = MlflowProcess.Find();
        }
        catch (UserException e)
        {
            Console.Error.WriteLine($"No figures of a server: {e.Message}.");
            return rates;
        }
        var served = Directory.CreateDirectory(Path.Combine(folder, "served")).FullName;
        using var server = MlflowProcess.Start(program, Path.Combine(served, "mlflow.db"), MlflowProcess.FreePort(null));
        if (!server.WaitUntilItAnswers(_ => !cancel.IsCancellationRequested))
        {
            cancel.ThrowIfCancellationRequested();
            throw new UserException($"MLflow ended before it answered; its last words: {server.LastWords()}");
        }
        using (var store = TrackingStores.Open(server.Address.ToString())) rates.Add(Rate(store, "MLflow server", ServerValues, cancel));
        return rates;
    }

    private static TrackingRate Rate(ITrackingStore store, string name, int values, CancellationToken cancel)
    {
        using var progress = new Progress($"writing to {name}", values, "values");
        return BenchTracking.Rate(store, name, values, done => progress.Report(done), cancel);
    }

    private static void Print(List<TrackingRate> rates)
    {
        var table = new Table().MarkdownBorder().AddColumn("store");
        foreach (var column in new[] { "values", "s", "values/s", "a million would take" }) table.AddColumn(column, c => c.RightAligned().NoWrap());
        foreach (var rate in rates)
            table.AddRow(rate.Store, $"{rate.Values}", BenchRow.Number(rate.Seconds), BenchRow.Number(rate.PerSecond), Progress.Duration(TimeSpan.FromSeconds(Million / rate.PerSecond)));
        AnsiConsole.Write(table);
    }

    private static void Print(List<TrackingPair> pairs, int threads)
    {
        AnsiConsole.Console.Profile.Out.Writer.WriteLine(FormattableString.Invariant(
            $"{pairs.Count} pairs of {StepsOfBlock} training steps (tiny, {threads} thread{(threads == 1 ? "" : "s")}), five values a step into SQLite, until the last is written"));
        var table = new Table().MarkdownBorder().AddColumn("figure");
        foreach (var column in new[] { "median", "min", "max" }) table.AddColumn(column, c => c.RightAligned().NoWrap());
        Add("ms a step without logging", pairs.Select(p => 1000 * p.Without / StepsOfBlock), BenchRow.Number);
        Add("ms a step with logging", pairs.Select(p => 1000 * p.With / StepsOfBlock), BenchRow.Number);
        Add("with logging it takes", pairs.Select(p => p.Ratio), x => FormattableString.Invariant($"{x:0.000} ×"));
        Add("of the training thread's time in logging calls", pairs.Select(p => 100 * p.Share), x => FormattableString.Invariant($"{x:0.000} %"));
        AnsiConsole.Write(table);

        void Add(string figure, IEnumerable<double> values, Func<double, string> text)
        {
            double[] all = [.. values];
            table.AddRow(figure, text(BenchResult.Median(all)), text(all.Min()), text(all.Max()));
        }
    }
}
