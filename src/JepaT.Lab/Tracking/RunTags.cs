using System.ComponentModel;
using System.Diagnostics;

namespace JepaT.Lab;

/// <summary>The tags that tell who started a run, how, and from which state of the code.</summary>
public static class RunTags
{
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Git = new(() => ReadGit(AppContext.BaseDirectory));

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
            ["jepat.command"] = PlainText.WithoutPassword(string.Join(' ', arguments.Prepend("lab"))),
        };
        foreach (var (key, value) in Git.Value) tags[key] = value;
        return tags;
    }

    /// <summary>Commit, branch and dirty flag of the repository that holds a folder; empty without git or a repository.</summary>
    internal static IReadOnlyDictionary<string, string> ReadGit(string folder)
    {
        var tags = new Dictionary<string, string>();
        // Untracked files are left out, as `git describe --dirty` does: results in the working folder are not changes of the code.
        if (Output(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no") is not { } status) return tags;
        foreach (var line in status.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# branch.oid ", StringComparison.Ordinal) && !line.EndsWith("(initial)", StringComparison.Ordinal)) tags["mlflow.source.git.commit"] = line[13..].Trim();
            if (line.StartsWith("# branch.head ", StringComparison.Ordinal) && !line.EndsWith("(detached)", StringComparison.Ordinal)) tags["mlflow.source.git.branch"] = line[14..].Trim();
        }
        if (tags.ContainsKey("mlflow.source.git.commit")) tags["mlflow.source.git.dirty"] = status.Split('\n').Any(l => l.Length > 0 && l[0] != '#') ? "true" : "false";
        return tags;
    }

    private static string? Output(string folder, params string[] arguments)
    {
        try
        {
            using var git = Process.Start(new ProcessStartInfo("git", arguments)
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            git.ErrorDataReceived += (_, _) => { };     // read and dropped, so that a full pipe cannot stop git
            git.BeginErrorReadLine();
            var text = git.StandardOutput.ReadToEnd();
            git.WaitForExit();
            return git.ExitCode == 0 ? text : null;
        }
        catch (Win32Exception)      // there is no git: then there are no such tags
        {
            return null;
        }
    }
}
