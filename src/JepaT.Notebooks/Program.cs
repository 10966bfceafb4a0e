using JepaT.Notebooks;
using Spectre.Console.Cli;

Allocator.KeepFreedMemory();              // cells train as the commands do
var app = new CommandApp();
app.Configure(config =>
{
    config.SetApplicationName("./lab");
    config.PropagateExceptions();
    config.UseStrictParsing();
    config.AddBranch("notebook", notebook =>
    {
        notebook.SetDescription("Run C# notebooks without a front end, or in Jupyter");
        notebook.AddCommand<RunCommand>("run").WithExample("notebook", "run", "notebooks/01-first-look.ipynb")
            .WithExample("notebook", "run", "notebooks/02-train.ipynb", "-p", "steps=20", "-o", "results/02-train.ipynb", "--to", "html");
        notebook.AddCommand<InstallKernelCommand>("install-kernel").WithExample("notebook", "install-kernel").WithExample("notebook", "install-kernel", "--name", ".net-csharp");
        notebook.AddCommand<KernelCommand>("kernel");
        notebook.AddCommand<NotebookBenchCommand>("bench").WithExample("notebook", "bench");
    });
});
try
{
    if (args is ["notebook", "run", ..]) Cli.RequireValues(args, typeof(RunCommand.Settings));
    if (args is ["notebook", "install-kernel", ..]) Cli.RequireValues(args, typeof(InstallKernelCommand.Settings));
    if (args is ["notebook", "bench", ..]) Cli.RequireValues(args, typeof(NotebookBenchCommand.Settings));
    return app.Run(args);
}
catch (Exception e) when (Cli.Explain(e, args, ["notebook run", "notebook install-kernel", "notebook bench"]) is { } line)
{
    Console.Error.WriteLine($"error: {line.ReplaceLineEndings(" ")}");
    return 1;
}
