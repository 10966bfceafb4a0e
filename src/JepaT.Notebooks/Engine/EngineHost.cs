namespace JepaT.Notebooks;

/// <summary>What the lab's class <see cref="Notebook"/> finds when it is called in a cell of ours.</summary>
internal sealed class EngineHost(INotebookHost otherwise) : INotebookHost
{
    public string Name => RunningCell.Current is null ? otherwise.Name : "JepaT's notebook engine";

    public CancellationToken Stop => RunningCell.Current?.AskForStop() ?? otherwise.Stop;

    public string? Folder => RunningCell.Current?.Session.Folder ?? otherwise.Folder;

    public IDisplayed Show(string mime, string content)
    {
        if (CellConsole.Outlet is not { } outlet) return otherwise.Show(mime, content);
        var output = new DisplayedOutput(outlet, mime);
        output.Show(content);
        return new Displayed((m, c) => output.Replace(Rendering.Single(m, c)));
    }
}
