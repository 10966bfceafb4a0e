namespace JepaT.Lab;

/// <summary>The tags that tell who started a run, how, and from which state of the code.</summary>
public static class RunTags
{
    private static readonly Lazy<GitState?> Git = new(() => GitState.Of(AppContext.BaseDirectory));

    /// <summary><c>mlflow.user</c>, <c>mlflow.source.name</c>, <c>jepat.command</c> (the command line) and, in a git repository, <c>mlflow.source.git.…</c></summary>
    public static Dictionary<string, string> Create()
    {
        var arguments = Environment.GetCommandLineArgs().Skip(1).ToArray();
        var tags = new Dictionary<string, string>
        {
            ["mlflow.user"] = Environment.UserName,
            // MLflow's pages show what is behind the last slash, so no paths here: the whole line has a tag of its own.
            ["mlflow.source.name"] = arguments is [var command, ..] && !command.Contains('/', StringComparison.Ordinal) ? $"lab {command}" : "lab",
            ["mlflow.source.type"] = "LOCAL",
            ["jepat.command"] = CommandLine.Text(),
            ["jepat.machine"] = Machine.Describe(),
        };
        foreach (var (key, value) in OfGit(Git.Value)) tags[key] = value;
        return tags;
    }

    /// <summary>The commit, with a word when the code differs from it; null outside a repository.</summary>
    internal static string? Commit() => Git.Value is { } git ? git.Commit + (git.Dirty ? " (with changes)" : "") : null;

    /// <summary>The tags of a state of the code.</summary>
    internal static IReadOnlyDictionary<string, string> OfGit(GitState? git)
    {
        var tags = new Dictionary<string, string>();
        if (git is null) return tags;
        tags["mlflow.source.git.commit"] = git.Commit;
        if (git.Branch is { } branch) tags["mlflow.source.git.branch"] = branch;
        tags["mlflow.source.git.dirty"] = git.Dirty ? "true" : "false";
        return tags;
    }
}
