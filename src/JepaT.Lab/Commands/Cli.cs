using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary>The command line: all commands, and every failure but a bug of ours as one line.</summary>
internal static partial class Cli
{
    private static readonly Dictionary<string, Type> Settings = new()
    {
        ["ablate"] = typeof(AblateCommand.Settings),
        ["train"] = typeof(TrainCommand.Settings),
        ["sample"] = typeof(SampleCommand.Settings),
        ["evaluate"] = typeof(EvaluateCommand.Settings),
        ["data"] = typeof(DataCommand.Settings),
        ["runs"] = typeof(RunsListCommand.Settings),
        ["runs list"] = typeof(RunsListCommand.Settings),
        ["runs show"] = typeof(RunsShowCommand.Settings),
        ["runs compare"] = typeof(RunsCompareCommand.Settings),
        ["runs best"] = typeof(RunsBestCommand.Settings),
        ["runs export"] = typeof(RunsExportCommand.Settings),
        ["runs push"] = typeof(RunsPushCommand.Settings),
        ["runs pull"] = typeof(RunsPullCommand.Settings),
        ["runs merge"] = typeof(RunsMergeCommand.Settings),
        ["ui"] = typeof(UiCommand.Settings),
        ["runs sync"] = typeof(RunsSyncCommand.Settings),
        ["report"] = typeof(ReportCommand.Settings),
        ["train-evaluator"] = typeof(TrainEvaluatorCommand.Settings),
        ["bench"] = typeof(BenchCommand.Settings),
        ["weights"] = typeof(WeightsCommand.Settings),
        ["cache-latents"] = typeof(CacheLatentsCommand.Settings),
    };

    /// <summary>Runs a command; returns the exit code, 0 only on success.</summary>
    public static int Run(string[] args, TextWriter error)
    {
        try
        {
            var app = App();
            // What stands after "--" is for nobody: it is refused rather than dropped.
            if (Array.IndexOf(args, "--") is >= 0 and var end && end + 1 < args.Length) throw new UserException($"'{args[end + 1]}' after -- is not known here: leave it out");
            if (SettingsOf(args) is { } settings) RequireValues(args, settings);
            return app.Run(args);
        }
        catch (OperationCanceledException)
        {
            error.WriteLine("stopped; the same command (train: with --resume) goes on with what is not finished");
            return 130;
        }
        catch (Exception e) when (Explain(e, args) is { } line)
        {
            error.WriteLine($"error: {Secrets.Hide(line.ReplaceLineEndings(" "))}");
            return 1;
        }
    }

    private static CommandApp App()
    {
        var app = new CommandApp();
        app.Configure(config =>
        {
            config.SetApplicationName("./lab");
            config.SetApplicationVersion(typeof(Cli).Assembly.GetName().Version!.ToString(3));
            config.PropagateExceptions();
            config.UseStrictParsing();
            config.Settings.ShowOptionDefaultValues = false;                    // the descriptions say them, and need the room
            Add<AblateCommand>("ablate", ["ablate"], ["ablate", "experiments/fusion-ablation.yaml", "--seeds", "3"],
                ["ablate", "--only", "none,full", "--set", "training.steps=200", "-o", "runs/short"]);
            Add<TrainCommand>("train", ["train", "experiments/quick.yaml", "--set", "fusion=late", "-o", "runs/late"], ["train", "--resume", "runs/late"]);
            Add<SampleCommand>("sample", ["sample", "--prompt", "\"a red sneaker\""], ["sample", "-p", "\"a green bag\"", "--run", "runs/quick/full-seed0", "-o", "bag.png"]);
            Add<EvaluateCommand>("evaluate", ["evaluate", "runs/quick/full-seed0", "--count", "5000"]);
            Add<DataCommand>("data", ["data", "--preview", "sheet.png"]);
            config.AddBranch("runs", runs =>
            {
                runs.SetDescription("Tracked runs, in a file or on a server: list, show, compare, find the best, export, copy, join.");
                runs.SetDefaultCommand<RunsListCommand>();
                runs.AddCommand<RunsListCommand>("list").WithExample("runs", "list", "--filter", "\"params.fusion = 'late'\"");
                runs.AddCommand<RunsShowCommand>("show").WithExample("runs", "show", "1a2b3c4d");
                runs.AddCommand<RunsCompareCommand>("compare").WithExample("runs", "compare", "none-seed0", "full-seed0");
                runs.AddCommand<RunsBestCommand>("best").WithExample("runs", "best", "eval/fid_fashion_1k", "--experiment", "quick");
                runs.AddCommand<RunsExportCommand>("export").WithExample("runs", "export", "--experiment", "quick", "-o", "quick.csv", "--artifacts", "files");
                runs.AddCommand<RunsPushCommand>("push").WithExample("runs", "push", "--to", "http://127.0.0.1:5000").WithExample("runs", "push", "--to", "https://mlflow.example.org", "--experiment", "fusion-ablation", "--dry-run");
                runs.AddCommand<RunsPullCommand>("pull").WithExample("runs", "pull", "--from", "http://127.0.0.1:5000", "--to", "sqlite:///mlflow.db");
                runs.AddCommand<RunsMergeCommand>("merge").WithExample("runs", "merge", "job1/mlflow.db", "job2/mlflow.db", "--to", "all/mlflow.db");
                runs.AddCommand<RunsSyncCommand>("sync").WithExample("runs", "sync", "--dry-run");
            });
            Add<UiCommand>("ui", ["ui"], ["ui", "results", "--port", "5001"]);
            Add<ReportCommand>("report", ["report", "runs/quick"], ["report", "--experiment", "quick", "--filter", "\"params.fusion = 'full'\"", "-o", "report.html"]);
            Add<TrainEvaluatorCommand>("train-evaluator", ["train-evaluator", "--output", "results/evaluator"]);
            Add<WeightsCommand>("weights", ["weights", "inspect", "checkpoint.pth"], ["weights", "convert", "checkpoint.pth", "weights.safetensors", "--section", "model"]);
            Add<BenchCommand>("bench", ["bench"], ["bench", "--flavours", "ours,reference", "--threads", "2"]);
            Add<CacheLatentsCommand>("cache-latents", ["cache-latents", "imagenet/train", "-o", "latents", "--autoencoder", "kl16.ckpt"], ["cache-latents", "-o", "latents", "--verify"]);

            void Add<TCommand>(string name, params string[][] examples) where TCommand : class, ICommand
            {
                var command = config.AddCommand<TCommand>(name);
                foreach (var example in examples) command.WithExample(example);
            }
        });
        return app;
    }

    /// <summary>The settings of the command that a line names, of two words (<c>runs list</c>) or one; null: unknown.</summary>
    private static Type? SettingsOf(string[] args) =>
        args.Length > 1 && Settings.TryGetValue($"{args[0]} {args[1]}", out var two) ? two : args.Length > 0 ? Settings.GetValueOrDefault(args[0]) : null;

    /// <summary>One line on what went wrong and how to mend it, or null for a bug, whose stack trace is worth seeing.</summary>
    /// <param name="e">What went wrong.</param>
    /// <param name="args">The command line.</param>
    /// <param name="commands">The commands that there are, when they are not those of this program.</param>
    internal static string? Explain(Exception e, string[] args, IEnumerable<string>? commands = null) => e switch
    {
        UserException or DivergedException => e.Message,
        CommandAppException => OfCommandLine(e.Message, args, commands ?? [.. Settings.Keys.Where(k => !k.Contains(' ')), "notebook", "pack", "test"]),
        OutOfMemoryException => $"{What(args)}: out of memory; {Smaller}",
        ExternalException when Memory().IsMatch(e.Message) => $"{What(args)}: out of memory ({FirstLine(e)}); {Smaller}",
        ExternalException => $"{What(args)}: failed in native code ({FirstLine(e)})",
        IOException or UnauthorizedAccessException => $"{What(args)}: {e.Message}",
        _ => null,
    };

    private const string Smaller = "lower training.batch_size, evaluation.batch_size or the model's sizes";

    // What the parser says, in words that tell which option, and what to do.
    private static string OfCommandLine(string message, string[] args, IEnumerable<string> commands)
    {
        if (UnknownOption().Match(message) is { Success: true } unknown)
        {
            var name = unknown.Groups[1].Value;
            var typed = args.FirstOrDefault(a => a.TrimStart('-').Split('=')[0] == name) is { } arg ? arg.Split('=')[0] : name;
            return $"{What(args)}: unknown option {typed}; " + (name.Length > 1 && SettingsOf(args) is { } settings
                ? $"the nearest known one is --{Nearest.To(name, OptionsOf(settings).SelectMany(o => o.LongNames).Append("help"))}" : $"{What(args)} --help lists them");
        }
        if (UnknownCommand().Match(message) is { Success: true } command)
            return $"unknown command '{command.Groups[1].Value}'; known are {string.Join(", ", commands)}";
        if (TooMany().Match(message) is { Success: true } many) return $"{What(args)}: '{many.Groups[1].Value}' is one argument too many";
        if (NotConverted().Match(message) is { Success: true } value)
        {
            var text = value.Groups[1].Value;
            var at = Array.FindIndex(args, 1, a => a == text || a.EndsWith("=" + text, StringComparison.Ordinal));
            var option = at < 0 ? What(args) : args[at] == text ? args[at - 1] : args[at].Split('=')[0];
            return $"{option} '{text}': give a whole number" + (Whole().IsMatch(text) ? " within its range" : "");
        }
        return message;
    }

    /// <summary>Refuses an option without its value: for the last one the parser takes a word of its own, "__default_command".</summary>
    internal static void RequireValues(string[] args, Type settings)
    {
        var last = args[^1];
        var bare = OptionsOf(settings).Where(o => o.ValueName is not null).SelectMany(o => o.LongNames.Select(n => "--" + n).Concat(o.ShortNames.Select(n => "-" + n)));
        foreach (var name in bare)
            if (last == name || args.Contains(name + "=")) throw new UserException($"{What(args)}: {name} has no value");
    }

    private static IEnumerable<CommandOptionAttribute> OptionsOf(Type settings) =>
        settings.GetProperties().Select(p => p.GetCustomAttribute<CommandOptionAttribute>()).OfType<CommandOptionAttribute>().Where(o => !o.IsHidden);

    private static string What(string[] args) => args is [var first, var second, ..] && Settings.ContainsKey($"{first} {second}") ? $"./lab {first} {second}"
        : args is [var command, ..] && (command == "notebook" || Settings.ContainsKey(command)) ? $"./lab {command}" : "./lab";

    // libtorch appends its own stack trace.
    private static string FirstLine(Exception e) => e.Message.Split('\n')[0].Trim();

    [GeneratedRegex("can't allocate memory|out of memory", RegexOptions.IgnoreCase)]
    private static partial Regex Memory();

    [GeneratedRegex("^(?:Unknown|Unexpected) option '([^']+)'")]
    private static partial Regex UnknownOption();

    [GeneratedRegex("^Could not match '(.*)' with an argument", RegexOptions.Singleline)]
    private static partial Regex TooMany();

    [GeneratedRegex("^[-+]?[0-9]+$")]
    private static partial Regex Whole();

    [GeneratedRegex("^Unknown command '([^']+)'")]
    private static partial Regex UnknownCommand();

    [GeneratedRegex("^Failed to convert '(.*)' to \\w+", RegexOptions.Singleline)]
    private static partial Regex NotConverted();
}
