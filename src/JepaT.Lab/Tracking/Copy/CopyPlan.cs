namespace JepaT.Lab;

/// <summary>What a copy is going to do: all of it is known before anything is written.</summary>
public sealed class CopyPlan
{
    /// <summary>What will be copied, when nothing changes meanwhile.</summary>
    public CopyReport Report { get; } = new();

    internal List<ExperimentInfo> Experiments { get; } = [];

    /// <summary>Runs with something to do, parents before children.</summary>
    internal List<CopyStep> Steps { get; } = [];

    /// <summary>Ids of source runs, and those of the same runs at the target.</summary>
    internal Dictionary<string, string> Ids { get; } = [];

    /// <summary>About the bytes to move.</summary>
    internal long Bytes => Report.Bytes + (Report.Values * StoreCopy.BytesOfValue);
}

/// <summary>What there is to do for one run.</summary>
/// <param name="Run">The source's run.</param>
/// <param name="Root">Id of the first run that this is a copy of: its own, when it is none.</param>
/// <param name="There">The target's run, if there is one.</param>
/// <param name="Overwrite">Whether the source's tags, name and status hold; else only what is missing is added.</param>
/// <param name="Mark">How the run is marked when all of it is there.</param>
/// <param name="Values">Whether values are looked at.</param>
/// <param name="Files">The files to copy.</param>
internal sealed record CopyStep(Run Run, string Root, Run? There, bool Overwrite, CopyMark Mark, bool Values, IReadOnlyList<ArtifactInfo> Files)
{
    /// <summary>Whether the target's run is the first of its kind, which a copy brought back must not change.</summary>
    public bool Back => There?.Info.RunId == Root;
}

/// <summary>What was copied, or will be.</summary>
public sealed class CopyReport
{
    /// <summary>Experiments made.</summary>
    public int Experiments { get; set; }

    /// <summary>Runs made.</summary>
    public int Created { get; set; }

    /// <summary>Runs that were there and lacked something.</summary>
    public int ToppedUp { get; set; }

    /// <summary>Runs that are there as they are.</summary>
    public int Unchanged { get; set; }

    /// <summary>Runs that somebody has put into the target's trash, where they stay.</summary>
    public int Trashed { get; set; }

    /// <summary>Values of metrics.</summary>
    public long Values { get; set; }

    /// <summary>Files.</summary>
    public int Files { get; set; }

    /// <summary>Bytes of these files.</summary>
    public long Bytes { get; set; }

    /// <summary>What could not be copied, one line each.</summary>
    public List<string> Problems { get; } = [];

    internal void Add(Run run, string problem) => Problems.Add($"run '{run.Info.Name}' ({run.Info.RunId}): {problem}");

    /// <summary>Adds another copy's figures.</summary>
    public void Add(CopyReport other)
    {
        ArgumentNullException.ThrowIfNull(other);
        (Experiments, Created, ToppedUp) = (Experiments + other.Experiments, Created + other.Created, ToppedUp + other.ToppedUp);
        (Unchanged, Trashed) = (Unchanged + other.Unchanged, Trashed + other.Trashed);
        (Values, Files, Bytes) = (Values + other.Values, Files + other.Files, Bytes + other.Bytes);
        Problems.AddRange(other.Problems);
    }

    /// <summary>The figures in one line.</summary>
    public override string ToString()
    {
        var size = Bytes < 1_000_000 ? $"{Bytes / 1e3:0.#} kB" : Bytes < 1_000_000_000 ? $"{Bytes / 1e6:0.#} MB" : $"{Bytes / 1e9:0.##} GB";
        return string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"{Created} new runs, {ToppedUp} topped up, {Unchanged} already there{(Trashed > 0 ? $", {Trashed} in the target's trash" : "")}; {Experiments} new experiments, {Values} values, {Files} files ({size})");
    }
}
