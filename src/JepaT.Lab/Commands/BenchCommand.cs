using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab bench</c>: speed and memory of our model, beside the PyTorch peer where there is one.</summary>
[Description("Measure speed and memory, beside PyTorch if found.")]
internal sealed class BenchCommand : Command<BenchCommand.Settings>
{
    private const double Quiet = 0.1;                   // share of the processors that others may take
    private static readonly string[] Kinds = ["train", "sample"];

    /// <summary>Options of the command.</summary>
    public sealed class Settings : CommandSettings
    {
        /// <summary>Sizes.</summary>
        [CommandOption("--size <NAMES>")]
        [Description("tiny (default; 28 pixels), base (the published one, 256 tokens) or base-64 (64 tokens), minutes a round each.")]
        [DefaultValue("tiny")]
        public string Size { get; init; } = "tiny";

        /// <summary>Kinds of work.</summary>
        [CommandOption("--what <KINDS>")]
        [Description("train, sample, or both with a comma (default).")]
        [DefaultValue("train,sample")]
        public string What { get; init; } = "train,sample";

        /// <summary>Flavours.</summary>
        [CommandOption("--flavours <NAMES>")]
        [Description("ours; and the peer's original (work of the published code), original-no-text, reference (same results, less work). By default all that can run.")]
        public string? Flavours { get; init; }

        /// <summary>Python command.</summary>
        [CommandOption("--python <COMMAND>")]
        [Description("Python with PyTorch, or a wrapper of one; by default $JEPAT_PYTHON, else python3.")]
        public string? Python { get; init; }

        /// <summary>Threads.</summary>
        [CommandOption("--threads <N>")]
        [Description("Threads of each process; by default all cores.")]
        public int? Threads { get; init; }

        /// <summary>Rounds.</summary>
        [CommandOption("--rounds <N>")]
        [Description("How often all flavours are measured in turn; by default 2.")]
        [DefaultValue(2)]
        public int Rounds { get; init; } = 2;

        /// <summary>Repetitions.</summary>
        [CommandOption("--repeats <N>")]
        [Description("Training steps in a round (samplings: half as many and one); by default 5.")]
        [DefaultValue(5)]
        public int Repeats { get; init; } = 5;

        /// <summary>What tracking costs.</summary>
        [CommandOption("--tracking")]
        [Description("Instead: values a second into the stores, and what logging costs a training step (some minutes).")]
        public bool Tracking { get; init; }

        /// <summary>Measures ours in this process and prints JSON.</summary>
        [CommandOption("--worker", IsHidden = true)]
        public bool Worker { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var sizes = Known(settings.Size, "size", [.. BenchSize.All.Keys]);
        var kinds = Known(settings.What, "kind of work", Kinds);
        var threads = settings.Threads ?? Environment.ProcessorCount;
        foreach (var (name, value) in new[] { ("--threads", threads), ("--rounds", settings.Rounds), ("--repeats", settings.Repeats) })
            if (value is < 1 or > 10_000) throw new UserException($"{name} is {value}; it must lie between 1 and 10000");
        MachineLimits.Threads("--threads", threads);
        if (settings.Tracking) return BenchTrackingTable.Run(threads);
        if (settings.Worker) return Work(BenchSize.All[sizes[0]], kinds, settings.Repeats, threads);

        var (flavours, peer) = Flavours(settings);
        foreach (var size in sizes)
        {
            var (results, others) = Measure(size, kinds, flavours, peer, settings, threads, cancellationToken);
            Print(size, results, threads);
            if (others > Quiet)
                AnsiConsole.Console.Profile.Out.Writer.WriteLine(FormattableString.Invariant(
                    $"Other programs took up to {others:0%} of the processors meanwhile: speeds are too low, ratios unsure. Run it again on a quiet machine."));
        }
        return 0;
    }

    private static int Work(BenchSize size, string[] kinds, int repeats, int threads)
    {
        set_num_threads(threads);
        using var work = new BenchWork(size);
        foreach (var what in kinds) Console.WriteLine(work.Measure(what, repeats).ToJson());
        return 0;
    }

    /// <summary>What to measure. Asked for by name, the peer must be there; by default its absence is a note.</summary>
    private static (string[] Flavours, BenchPeer? Peer) Flavours(Settings settings)
    {
        string[] all = [BenchFlavours.Ours, .. BenchFlavours.Peer];
        var flavours = settings.Flavours is null ? all : Known(settings.Flavours, "flavour", all);
        if (flavours.All(f => f == BenchFlavours.Ours)) return (flavours, null);
        var fromEnvironment = Environment.GetEnvironmentVariable("JEPAT_PYTHON") is { Length: > 0 } e ? e : null;
        var (peer, reason) = BenchPeer.Find(settings.Python ?? fromEnvironment ?? "python3");
        if (peer is not null) return (flavours, peer);
        const string mend = "give a Python that has it with --python or JEPAT_PYTHON";
        if (settings.Flavours is not null || settings.Python is not null || fromEnvironment is not null) throw new UserException($"no peer: {reason}; {mend}");
        Console.Error.WriteLine($"Only our own figures: {reason}; {mend}.");
        return ([BenchFlavours.Ours], null);
    }

    /// <summary>All results, and the largest share of the processors that other programs took during one of them.</summary>
    private static (List<BenchResult> Results, double Others) Measure(
        string size, string[] kinds, string[] flavours, BenchPeer? peer, Settings settings, int threads, CancellationToken cancellation)
    {
        var jobs = (from round in Enumerable.Range(0, settings.Rounds) from what in kinds from flavour in flavours select (what, flavour)).ToList();
        List<BenchResult> results = [];
        var others = 0.0;
        using var progress = new Progress($"bench {size}", jobs.Count, "measurements");
        foreach (var (what, flavour) in jobs)
        {
            cancellation.ThrowIfCancellationRequested();
            progress.Report(results.Count, $"{flavour}, {what}");
            var before = ProcessorLoad.Now();
            var result = flavour == BenchFlavours.Ours
                ? Ours(size, what, settings.Repeats, threads)
                : peer!.Measure(size, flavour, what, settings.Repeats, threads);
            results.Add(result);
            others = Math.Max(others, before.OthersSince(result.Cpu));
        }
        progress.Report(results.Count);
        return (results, others);
    }

    /// <summary>This program again, so that its peak memory is that of the work alone.</summary>
    private static BenchResult Ours(string size, string what, int repeats, int threads)
    {
        var host = Environment.ProcessPath ?? throw new InvalidOperationException("the program's own path is not known");
        var assembly = typeof(BenchCommand).Assembly.Location;
        string[] program = Path.GetFileNameWithoutExtension(host) == "dotnet" ? [host, assembly] : [host];
        var (code, output, error) = BenchPeer.Run(
            [.. program, "bench", "--worker", "--size", size, "--what", what, "--repeats", $"{repeats}", "--threads", $"{threads}"], threads);
        return (code == 0 ? BenchResult.Parse(output, what).FirstOrDefault() : null)
            ?? throw new UserException($"our own measurement ({size}, {what}) ended with code {code}: {BenchPeer.LastLine(error)}");
    }

    private static void Print(string size, List<BenchResult> results, int threads)
    {
        var parameters = results.Select(r => r.Parameters).Distinct().ToList();
        if (parameters.Count > 1)
            throw new UserException($"bench {size}: the models differ ({string.Join(" and ", parameters)} parameters), so their speeds do not compare");
        var torches = results.Select(r => r.Torch).Distinct();
        AnsiConsole.Console.Profile.Out.Writer.WriteLine(
            FormattableString.Invariant($"{size}: {parameters[0] / 1e6:0.0} M parameters, {threads} thread{(threads == 1 ? "" : "s")}, {string.Join(", ", torches)}"));
        var rows = BenchRow.Of(results);
        var table = new Table().MarkdownBorder();
        foreach (var column in new[] { "work", "flavour" }) table.AddColumn(column);
        foreach (var column in new[] { "images/s", "min", "max", "of", "peak MiB", "ours is" }) table.AddColumn(column, c => c.RightAligned().NoWrap());
        foreach (var row in rows)
        {
            var ours = rows.FirstOrDefault(r => r.What == row.What && r.Flavour == BenchFlavours.Ours);
            table.AddRow(row.What, row.Flavour, BenchRow.Number(row.Median), BenchRow.Number(row.Min), BenchRow.Number(row.Max), $"{row.Repetitions}",
                row.PeakMib is { } peak ? $"{peak:0}" : "?", ours is null || row == ours ? "" : ours.Ratio(row));
        }
        AnsiConsole.Write(table);
    }

    private static string[] Known(string list, string kind, string[] known)
    {
        var names = list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (names.Length == 0) throw new UserException($"no {kind} is given; known are {string.Join(", ", known)}");
        if (names.FirstOrDefault(n => !known.Contains(n)) is { } other)
            throw new UserException($"unknown {kind} '{other}'; known are {string.Join(", ", known)}");
        return [.. names.Distinct()];
    }
}
