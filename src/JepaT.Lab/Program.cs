using JepaT.Lab;
using Spectre.Console.Cli;

var app = new CommandApp();
app.Configure(config =>
{
    config.SetApplicationName("lab");
    config.PropagateExceptions();
    config.AddCommand<DataCommand>("data").WithExample("data", "--preview", "sheet.png");
    config.AddCommand<ReportCommand>("report")
        .WithExample("report", "ablations/quick")
        .WithExample("report", "ablations/quick/ablation.json", "-o", "report.html");
    config.AddCommand<RunsCommand>("runs").WithExample("runs").WithExample("runs", "--experiment", "fusion-ablation");
    config.AddCommand<BenchCommand>("bench").WithExample("bench").WithExample("bench", "--flavours", "ours,reference", "--threads", "2");
});
try
{
    return app.Run(args);
}
catch (UserException e)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 1;
}
