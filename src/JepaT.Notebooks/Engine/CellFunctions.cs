using System.Diagnostics.CodeAnalysis;

namespace JepaT.Notebooks;

#pragma warning disable IDE1006, CA1707, CA1708 // the names that C# notebooks use

/// <summary>What every cell can call, as in other C# notebooks.</summary>
public static class CellFunctions
{
    /// <summary>Shows anything, in the form given or in all that it has.</summary>
    public static DisplayedOutput display(object? value, string? mimeType = null) => Show(value, mimeType);

    /// <summary>Shows anything; the output can be changed later.</summary>
    public static DisplayedOutput Display<T>(this T value, string? mimeType = null) => Show(value, mimeType);

    /// <summary>Markup that is shown as such.</summary>
    public static Markup HTML(string markup) => new("text/html", markup);

    /// <summary>Style sheets change the whole page, of which the cell owns only a part.</summary>
    public static void CSS(string content) => HTML($"<style>{content}</style>").Display();

    /// <summary>Refused: a notebook's outputs are shown without scripts.</summary>
    [SuppressMessage("Usage", "CA1801", Justification = "the signature that other notebooks call")]
    public static void Javascript(string script) =>
        throw new UserException("Javascript: scripts are not run here, since there need not be a browser; show HTML(…) or a picture instead");

    /// <summary>A line that the user types.</summary>
    public static string input(string prompt = "") => Read("input", prompt, false);

    /// <summary>A line that the user types unseen.</summary>
    public static string password(string prompt = "") => Read("password", prompt, true);

    /// <summary>Removes the cell's outputs so far; with <paramref name="wait"/> not before the next one comes.</summary>
    public static void clear_output(bool wait = false) => Outlet().Clear(wait);

    private static string Read(string name, string prompt, bool hidden) =>
        Outlet().ReadLine(prompt, hidden) ?? throw new UserException($"{name}: no one can type here (a run without a front end, or one that takes no input); make it a parameter");

    private static DisplayedOutput Show(object? value, string? mimeType)
    {
        var output = new DisplayedOutput(Outlet(), mimeType);
        output.Show(value);
        return output;
    }

    private static Outlet Outlet() => CellConsole.Outlet ?? throw new UserException("display: this thread was not started by a cell");
}

/// <summary>Text that is an output already.</summary>
/// <param name="MimeType">Its form.</param>
/// <param name="Content">The text; base64 for pictures.</param>
public sealed record Markup(string MimeType, string Content)
{
    /// <inheritdoc/>
    public override string ToString() => Content;
}

/// <summary>An output that has been shown and can be changed in place.</summary>
public sealed class DisplayedOutput
{
    private readonly Outlet outlet;
    private readonly string? mime;
    private bool shown;                     // otherwise the cell had shown too much already

    internal DisplayedOutput(Outlet outlet, string? mime) => (this.outlet, this.mime) = (outlet, mime);

    /// <summary>Its id in the notebook's file.</summary>
    public string DisplayId { get; } = NewId();

    /// <summary>Shows something else in its place.</summary>
    public void Update(object? value) => Replace(Rendering.Of(value, mime) ?? Rendering.Nothing);

    internal static string NewId() => Guid.NewGuid().ToString("N");

    internal void Show(object? value) => shown = outlet.Display(Rendering.Of(value, mime) ?? Rendering.Nothing, DisplayId);

    internal void Replace(MimeBundle data)
    {
        if (shown) outlet.Update(DisplayId, data);
    }
}
