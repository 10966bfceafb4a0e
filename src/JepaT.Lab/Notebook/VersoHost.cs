using System.Reflection;

namespace JepaT.Lab;

/// <summary>Verso: shows what is given under a MIME type, cannot change it, and only from the flow of the running cell.</summary>
internal sealed class VersoHost : BridgedHost, IOnceOnly
{
    private readonly MethodInfo display;

    private VersoHost(MethodInfo display) => this.display = display;

    public override string Name => "Verso";

    public static INotebookHost? Of(Assembly assembly) =>
        assembly.GetType("Verso.Abstractions.DisplayExtensions")?.GetMethod("Display", [typeof(object), typeof(string)]) is { } display ? new VersoHost(display) : null;

    public override IDisplayed Show(string mime, string content)
    {
        try
        {
            display.Invoke(null, [content, mime]);
        }
        catch (TargetInvocationException e) when (e.InnerException is InvalidOperationException)      // not in the flow of a cell
        {
            return new ConsoleHost(Console.Out).Show(mime, content);
        }
        return new Displayed((m, c) => Show(m, c));
    }
}
