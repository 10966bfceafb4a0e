using JepaT.Lab;
using Spectre.Console.Cli;

Allocator.KeepFreedMemory();
var app = new CommandApp();
app.Configure(config =>
{
    config.SetApplicationName("./lab");
    config.PropagateExceptions();
    config.AddCommand<AblateCommand>("ablate").WithExample("ablate").WithExample("ablate", "experiments/fusion-ablation.yaml", "--seeds", "3")
        .WithExample("ablate", "--only", "none,full", "--set", "training.steps=200", "-o", "runs/short");
    config.AddCommand<TrainCommand>("train").WithExample("train", "experiments/quick.yaml", "--set", "fusion=late", "-o", "runs/late")
        .WithExample("train", "--resume", "runs/late");
    config.AddCommand<SampleCommand>("sample").WithExample("sample", "--prompt", "\"a red sneaker\"")
        .WithExample("sample", "--prompt", "\"a green bag\"", "--run", "runs/quick/full-seed0", "--set", "sampling.guidance=5");
    config.AddCommand<EvaluateCommand>("evaluate").WithExample("evaluate", "runs/quick/full-seed0", "--count", "5000");
    config.AddCommand<DataCommand>("data").WithExample("data", "--preview", "sheet.png");
    config.AddCommand<RunsCommand>("runs").WithExample("runs").WithExample("runs", "--experiment", "fusion-ablation");
    config.AddCommand<ReportCommand>("report").WithExample("report", "runs/quick").WithExample("report", "runs/quick/ablation.json", "-o", "report.html");
    config.AddCommand<TrainEvaluatorCommand>("train-evaluator").WithExample("train-evaluator", "--output", "results/evaluator");
    config.AddCommand<BenchCommand>("bench").WithExample("bench").WithExample("bench", "--flavours", "ours,reference", "--threads", "2");
});
try
{
    return app.Run(args);
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("stopped; the same command (train: with --resume) goes on where it was");
    return 130;
}
catch (Exception e) when (e is UserException or DivergedException or CommandAppException)
{
    Console.Error.WriteLine($"error: {e.Message.ReplaceLineEndings(" ")}");
    return 1;
}
