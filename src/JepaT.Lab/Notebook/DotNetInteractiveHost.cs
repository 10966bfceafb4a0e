using System.Reflection;

namespace JepaT.Lab;

/// <summary>.NET Interactive and Polyglot Notebooks (retired in 2026): their own handle, which changes the output in place.</summary>
internal sealed class DotNetInteractiveHost : BridgedHost
{
    private readonly PropertyInfo current;
    private readonly PropertyInfo? cancellation;
    private readonly MethodInfo display;

    private DotNetInteractiveHost(PropertyInfo current, MethodInfo display) =>
        (this.current, this.display, cancellation) = (current, display, current.PropertyType.GetProperty("CancellationToken"));

    public override string Name => ".NET Interactive";

    /// <summary>The cell's own token where the host lets it be seen, joined with the stop file: its interrupt is not to be relied on.</summary>
    public override CancellationToken Stop => current.GetValue(null) is { } context && cancellation?.GetValue(context) is CancellationToken { CanBeCanceled: true } cell
        ? CancellationTokenSource.CreateLinkedTokenSource(cell, base.Stop).Token
        : base.Stop;

    public static INotebookHost? Of(Assembly assembly)
    {
        var context = assembly.GetType("Microsoft.DotNet.Interactive.KernelInvocationContext");
        var display = assembly.GetType("Microsoft.DotNet.Interactive.KernelInvocationContextExtensions")?.GetMethods()
            .FirstOrDefault(m => m.Name == "Display" && m.GetParameters() is [_, { ParameterType: var value }, { ParameterType: var mimes }] && value == typeof(object) && mimes == typeof(string[]));
        return context?.GetProperty("Current") is { } current && display is not null ? new DotNetInteractiveHost(current, display) : null;
    }

    public override IDisplayed Show(string mime, string content)
    {
        // There is no context on a thread that no cell started; the text is then better on the console than lost.
        if (current.GetValue(null) is not { } context) return new ConsoleHost(Console.Out).Show(mime, content);
        var shown = display.Invoke(null, [context, new Rendered(mime, content), new[] { mime }])!;
        var update = shown.GetType().GetMethod("Update", [typeof(object)])!;
        return new Displayed((m, c) => update.Invoke(shown, [new Rendered(m, c)]));
    }

    /// <summary>Types of the model and of TorchSharp, which carry no attribute of ours.</summary>
    public static void RegisterFormatters(Assembly formatting)
    {
        var register = formatting.GetType("Microsoft.DotNet.Interactive.Formatting.Formatter")?
            .GetMethod("Register", [typeof(Type), typeof(Action<object, TextWriter>), typeof(string)]);
        if (register is null) return;
        foreach (var type in View.ForeignTypes)
        {
            register.Invoke(null, [type, new Action<object, TextWriter>((x, writer) => writer.Write(View.Of(x).ToHtml())), "text/html"]);
            register.Invoke(null, [type, new Action<object, TextWriter>((x, writer) => writer.Write(View.Of(x).ToString())), "text/plain"]);
        }
    }

    /// <summary>Content that is rendered already, for the host's formatters to pass on.</summary>
    [TypeFormatterSource(typeof(RenderedFormatters))]
    internal sealed record Rendered(string Mime, string Content);

    internal sealed class RenderedFormatters
    {
#pragma warning disable CA1822 // the host makes an instance and calls this on it
        public IEnumerable<object> CreateTypeFormatters() => [Verbatim("text/html"), Verbatim("image/png"), Verbatim("text/plain")];

        private static MimeFormatter Verbatim(string mime) => new(mime, x => ((Rendered)x).Content);
#pragma warning restore CA1822
    }
}
