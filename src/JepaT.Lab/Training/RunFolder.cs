namespace JepaT.Lab;

/// <summary>What a run leaves on disk beside the tracking store: resolved experiment, MLflow's run id, checkpoint, result.</summary>
internal sealed class RunFolder(string path)
{
    public string Path { get; } = path;

    public string Checkpoint => Of(JepaT.Lab.Checkpoint.FileName);

    public string Experiment => Of("experiment.yaml");

    /// <summary>The result of a run that ended; its presence says so.</summary>
    public string Result => Of("result.json");

    public bool HasCheckpoint => File.Exists(Checkpoint);

    public bool IsFinished => File.Exists(Result);

    /// <summary>MLflow's id of the run in this folder, or null.</summary>
    public string? RunId => File.Exists(Of("mlflow-run")) ? File.ReadAllText(Of("mlflow-run")).Trim() : null;

    public string Of(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Starts a run here: writes the resolved experiment before the first step.</summary>
    /// <exception cref="UserException">The folder holds a run already, or cannot be written.</exception>
    public void Create(Experiment experiment)
    {
        if (File.Exists(Experiment))
            throw new UserException($"{Path}: holds a run already; go on with './lab train --resume {Path}', or give another --output");
        AtomicFile.Write(Experiment, ExperimentFile.ToYaml(experiment));
    }

    public void SetRunId(string id) => AtomicFile.Write(Of("mlflow-run"), id + "\n");
}
