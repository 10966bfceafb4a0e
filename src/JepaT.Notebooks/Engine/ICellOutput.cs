namespace JepaT.Notebooks;

/// <summary>One output in the forms that a front end may choose from: MIME type → text; pictures as base64.</summary>
internal sealed record MimeBundle(IReadOnlyDictionary<string, string> Data)
{
    /// <summary>Characters of all forms.</summary>
    public int Size { get; } = (int)Math.Min(int.MaxValue / 2, Data.Values.Sum(v => (long)v.Length));
}

/// <summary>Why a cell failed: the exception's name and message, and lines that point to cell and line, with the user's frames only.</summary>
internal sealed record CellError(string Name, string Message, IReadOnlyList<string> Traceback);

/// <summary>What a cell came to. <paramref name="Value"/> is its last expression, when it has one.</summary>
internal sealed record CellResult(MimeBundle? Value, CellError? Error, bool Interrupted = false);

/// <summary>Where the outputs of a running cell go: a front end, a document. Called from any thread, one call at a time.</summary>
internal interface ICellOutput
{
    /// <summary>Console text as it comes; <paramref name="name"/> is stdout or stderr.</summary>
    void Stream(string name, string text);

    /// <summary>Shows an output that can be changed later by its id.</summary>
    void Display(MimeBundle data, string displayId);

    /// <summary>Changes an output in place, also one of an earlier cell.</summary>
    void Update(string displayId, MimeBundle data);

    /// <summary>Removes the cell's outputs so far; with <paramref name="wait"/> not before the next one comes.</summary>
    void Clear(bool wait);

    /// <summary>A line typed by the user; null where no one can type.</summary>
    string? ReadLine(string prompt, bool password);
}
