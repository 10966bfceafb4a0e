using System.ComponentModel;
using System.Diagnostics;

namespace JepaT.Lab;

/// <summary>The state of the code: what git tells of the repository that holds a folder.</summary>
/// <param name="Commit">The commit checked out.</param>
/// <param name="Branch">Its branch; null when detached.</param>
/// <param name="Dirty">Whether tracked files differ from the commit. New files do not count: results in the working folder are not code.</param>
internal sealed record GitState(string Commit, string? Branch, bool Dirty)
{
    /// <summary>A larger diff is cut: it is no change of code any more.</summary>
    internal const int MaxDiff = 2_000_000;

    /// <summary>Names of new files told with a diff.</summary>
    private const int MaxNewFiles = 100;

    /// <summary>Null without git, a repository or a commit.</summary>
    public static GitState? Of(string folder)
    {
        if (Output(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no") is not { } status) return null;
        var lines = status.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string? Head(string key) => lines.FirstOrDefault(l => l.StartsWith($"# branch.{key} ", StringComparison.Ordinal))?[$"# branch.{key} ".Length..].Trim();
        return Head("oid") is { } commit and not "(initial)" ? new(commit, Head("head") is { } name and not "(detached)" ? name : null, lines.Any(l => l[0] != '#')) : null;
    }

    /// <summary>
    /// What <c>git apply</c> takes to come from the commit to the code that ran, after lines that name new files, which it does not hold.
    /// Empty when there is neither.
    /// </summary>
    public static string Diff(string folder)
    {
        var diff = Output(folder, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv") ?? "";
        if (diff.Length > MaxDiff) diff = diff[..MaxDiff] + $"\n[cut: the diff has {diff.Length} characters]\n";
        // From the root of the repository, whatever folder the program lies in.
        var root = Output(folder, "rev-parse", "--show-toplevel")?.Trim();
        var fresh = root is null ? [] : (Output(root, "ls-files", "--others", "--exclude-standard") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var names = fresh.Take(MaxNewFiles).Select(f => $"# not in the commit, not in this diff: {f}\n");
        if (fresh.Length > MaxNewFiles) names = names.Append($"# … and {fresh.Length - MaxNewFiles} more\n");
        return string.Concat(names.Append(diff));
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
        catch (Win32Exception)      // there is no git: then it tells nothing
        {
            return null;
        }
    }
}
