using Spectre.Console.Cli;

var app = new CommandApp();
app.Configure(config =>
{
    config.SetApplicationName("./lab");
    config.PropagateExceptions();
});
try
{
    return app.Run(args);
}
catch (Exception e) when (e is UserException or CommandAppException)
{
    Console.Error.WriteLine($"error: {e.Message.ReplaceLineEndings(" ")}");
    return 1;
}
