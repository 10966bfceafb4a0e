namespace JepaT.Lab;

/// <summary>What shows the outputs of a notebook's cells: an engine, or a bridge to one.</summary>
public interface INotebookHost
{
    /// <summary>The host's name, for people.</summary>
    string Name { get; }

    /// <summary>Cancelled when the user interrupts the running cell.</summary>
    CancellationToken Stop { get; }

    /// <summary>The notebook's folder, where the host knows it.</summary>
    string? Folder { get; }

    /// <summary>Shows an output of one MIME type; pictures (image/png) as base64.</summary>
    IDisplayed Show(string mime, string content);
}

/// <summary>An output that has been shown and can be replaced.</summary>
public interface IDisplayed
{
    /// <summary>Replaces it in place, where the host can.</summary>
    void Update(string mime, string content);
}
