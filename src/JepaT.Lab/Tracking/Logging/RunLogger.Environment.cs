namespace JepaT.Lab;

// What a run runs on and with.
public sealed partial class RunLogger
{
    /// <summary>
    /// Stores <c>environment.json</c> (command, commit, versions of all packages, machine, settings of the environment) and, where the code
    /// differs from its commit, <c>code.diff</c>, with which that code can be had again.
    /// </summary>
    /// <param name="folder">Folder in the run, e.g. <c>resumed/step-400</c>; its root by default.</param>
    public void LogEnvironment(string folder = "")
    {
        var prefix = folder.Length > 0 ? folder + "/" : "";
        ArtifactText(prefix + RunEnvironment.FileName, RunEnvironment.ToJson());
        if (GitState.Diff(AppContext.BaseDirectory) is { Length: > 0 } diff) ArtifactText(prefix + RunEnvironment.DiffName, Secrets.Hide(diff));
    }
}
