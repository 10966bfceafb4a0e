using System.Reflection;

namespace JepaT.Lab;

/// <summary>
/// What the cells of a notebook call. It works in every host of C# notebooks (ours, .NET Interactive, ClrKernel, Verso) and in a plain
/// program: outputs go to whichever host is loaded, else to the console.
/// </summary>
public static class Notebook
{
    private static INotebookHost? Chosen;

    /// <summary>Who shows the outputs: found at the first use; an engine of ours sets it before.</summary>
    public static INotebookHost Host
    {
        get => Chosen ??= NotebookHosts.Find();
        set => Chosen = value;
    }

    /// <summary>
    /// Cancelled when the running cell is to end; all long calls of this library take it by default. In our engine it is the interrupt
    /// button; elsewhere a file named <c>stop</c> in <see cref="Folder"/>, or the end of the time budget in <c>JEPAT_BUDGET</c>
    /// (<c>90s</c>, <c>10m</c>, <c>2h</c>), which starts with <see cref="Start"/>.
    /// </summary>
    public static CancellationToken Stop => Host.Stop;

    /// <summary>
    /// Where a notebook's files belong: the notebook's folder where the host knows it, else the one in <c>JEPAT_FOLDER</c>, else the folder
    /// <c>notebooks</c> of the clone that the process runs in, else the current folder.
    /// </summary>
    public static string Folder => Host.Folder ?? NotebookFolder.Guess();

    /// <summary>The first call: loads the native libraries, registers what displays our types, and says where it runs.</summary>
    /// <exception cref="UserException">TorchSharp's native libraries are not to be found or cannot be loaded.</exception>
    public static void Start()
    {
        Allocator.KeepFreedMemory();
        NewerAssemblies.Register();
        NativeLibraries.Load();
        NotebookHosts.RegisterFormatters();
        StopFile.Shared.Restart();
        Progress.Standard = () => Console.Out;                                  // hosts show standard error as an error
        var device = cuda.is_available() ? "cpu or cuda" : "cpu";
        Show($"JepaT {Version(typeof(Notebook))} in {Host.Name}: .NET {Environment.Version}, TorchSharp {Version(typeof(torch))}, {device}, {get_num_threads()} threads");
    }

    /// <summary>Shows anything: a picture, a tensor, a table, a run, a model, an experiment, a text. Nothing is shown for null.</summary>
    public static void Show(object? value)
    {
        if (value is null) return;
        var view = View.Of(value);
        // A console can show no markup, whatever the view would like.
        var mime = Host is ConsoleHost ? "text/plain" : view.Mime;
        Host.Show(mime, mime switch
        {
            "text/html" => view.ToHtml(),
            "image/png" => Convert.ToBase64String(view.Png!),
            _ => view.ToString(),
        });
    }

    /// <summary>An output that changes in place while a cell works. Dispose it (<c>using (var live = Notebook.Live()) { … }</c>) to show its last state.</summary>
    public static LiveOutput Live() => new(Host, TimeProvider.System);

    /// <summary>
    /// A parameter of the notebook: the environment variable <c>JEPAT_</c> and the name in capitals (<c>batchSize</c> is
    /// <c>JEPAT_BATCH_SIZE</c>), else the default given here.
    /// </summary>
    /// <exception cref="UserException">The variable's value is not of the default's type.</exception>
    public static T Param<T>(string name, T fallback) => NotebookParameter.Read(name, fallback, Environment.GetEnvironmentVariable);

    private static string Version(Type type) => type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? type.Assembly.GetName().Version?.ToString(3) ?? "?";
}
