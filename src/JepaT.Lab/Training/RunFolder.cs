namespace JepaT.Lab;

/// <summary>What a run leaves on disk beside the tracking store: resolved experiment, MLflow's run id, checkpoint, result.</summary>
internal sealed class RunFolder(string path)
{
    public string Path { get; } = path;

    public string Checkpoint => Of(JepaT.Lab.Checkpoint.FileName);

    public string Experiment => Of("experiment.yaml");

    /// <summary>The result of a run that ended; its presence says so.</summary>
    public string Result => Of("result.json");

    /// <summary>A page of the run.</summary>
    public string Report => Of("report.html");

    public bool HasCheckpoint => File.Exists(Checkpoint);

    public bool IsFinished => File.Exists(Result);

    /// <summary>Whether there is anything to go on with. A start that failed before it computed anything leaves nothing of worth.</summary>
    public bool HoldsRun => HasCheckpoint || IsFinished || RunId is not null;

    /// <summary>MLflow's id of the run in this folder, or null.</summary>
    public string? RunId => File.Exists(Of("mlflow-run")) ? File.ReadAllText(Of("mlflow-run")).Trim() : null;

    public string Of(string name) => System.IO.Path.Combine(Path, name);

    /// <exception cref="UserException">The folder holds a run already.</exception>
    public void RequireNew()
    {
        if (HoldsRun) throw new UserException($"{Path}: holds a run already; go on with './lab train --resume {Path}', or give another --output");
    }

    /// <summary>Starts a run here: writes the resolved experiment before the first step. All inputs have been checked by then.</summary>
    /// <exception cref="UserException">The folder holds a run already, or cannot be written.</exception>
    public void Create(Experiment experiment)
    {
        RequireNew();
        AtomicFile.Write(Experiment, ExperimentFile.ToYaml(experiment));
    }

    /// <summary>A run that is here already, finished or not, must be of this very experiment: a table would mix what does not compare.</summary>
    /// <exception cref="UserException">It has other settings: names the first.</exception>
    public void RequireSame(Experiment experiment)
    {
        if (!HoldsRun || !File.Exists(Experiment)) return;
        var here = Deciding(ExperimentFile.Load(Experiment)).ToDictionary();
        if (Deciding(experiment).FirstOrDefault(s => here.GetValueOrDefault(s.Key) != s.Value) is { Key: { } key } other)
            throw new UserException($"{Path}: holds a run with another {key} ({here.GetValueOrDefault(key)}, now {other.Value}); give another --output, or remove that folder");
    }

    /// <summary>The settings that decide a result: not the machine, and not what an ablation does with it.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Deciding(Experiment experiment) => ExperimentFile.SettingsOf(experiment)
        .Where(s => s.Key is not ("device" or "threads" or "name" or "data.folder") && !s.Key.StartsWith("ablation.", StringComparison.Ordinal))
        .Select(s => KeyValuePair.Create(s.Key, ParamText.Of(s.Value)));

    /// <summary>Keeps other programs out of the folder, which is made, until disposed; the system lets go of it when the program is killed.</summary>
    /// <exception cref="UserException">Another program is at work here, or the folder cannot be written.</exception>
    public IDisposable Use()
    {
        const string name = ".lock";
        try
        {
            var made = Missing();
            Directory.CreateDirectory(Path);
            return new InUse(new FileStream(Of(name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose), made);
        }
        catch (IOException e) when (File.Exists(Of(name)))
        {
            throw new UserException($"{Path}: another program is at work in this folder; let it end, or give another --output", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{Path}: cannot be written to ({e.Message}); mend its rights, or give another --output", e);
        }
    }

    /// <summary>The folders that are not there yet: this one and those above it, the deepest first.</summary>
    private List<string> Missing()
    {
        List<string> missing = [];
        for (var at = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(Path)); at is not null && !Directory.Exists(at); at = System.IO.Path.GetDirectoryName(at)) missing.Add(at);
        return missing;
    }

    /// <summary>Lets go of the folder; those made for it that are still empty, since nothing was started, go too.</summary>
    private sealed class InUse(FileStream lockFile, List<string> made) : IDisposable
    {
        public void Dispose()
        {
            lockFile.Dispose();
            try
            {
                foreach (var folder in made.TakeWhile(f => Directory.Exists(f) && !Directory.EnumerateFileSystemEntries(f).Any())) Directory.Delete(folder);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }      // another program put something there
        }
    }

    /// <summary>The tracking URI of the store that has the run, or null. Without a password.</summary>
    public string? Store => File.Exists(Of("mlflow-store")) ? File.ReadAllText(Of("mlflow-store")).Trim() : null;

    /// <summary>Notes which run this folder is of, and, when given, in which store: so it goes on in that one, wherever the next call is made.</summary>
    public void SetRunId(string id, string? store = null)
    {
        if (store is not null) AtomicFile.Write(Of("mlflow-store"), store + "\n");
        AtomicFile.Write(Of("mlflow-run"), id + "\n");
    }
}
