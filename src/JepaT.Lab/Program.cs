using JepaT.Lab;
using Spectre.Console.Cli;

var app = new CommandApp();
app.Configure(config =>
{
    config.SetApplicationName("lab");
    config.PropagateExceptions();
    config.AddCommand<RunsCommand>("runs").WithExample("runs").WithExample("runs", "--experiment", "fusion-ablation");
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
