using JepaT.Notebooks;
using Spectre.Console.Cli;

Allocator.KeepFreedMemory();              // cells train as the commands do
var app = new CommandApp();
app.Configure(config =>
{
    config.SetApplicationName("./lab");
    config.PropagateExceptions();
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
    return app.Run(args);
}
catch (Exception e) when (e is UserException or CommandAppException)
{
    Console.Error.WriteLine($"error: {e.Message.ReplaceLineEndings(" ")}");
    return 1;
}
