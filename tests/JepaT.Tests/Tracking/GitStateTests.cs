using System.ComponentModel;
using System.Diagnostics;
using JepaT.Lab;

namespace JepaT.Tests;

public sealed class GitStateTests : IDisposable
{
    private readonly string repository = Directory.CreateTempSubdirectory("jepat-git-").FullName;

    public void Dispose() => Directory.Delete(repository, recursive: true);

    [Fact]
    public void Tags_tell_commit_branch_and_dirty_flag_and_are_absent_outside_a_repository()
    {
        Assert.Empty(RunTags.OfGit(GitState.Of(repository)));
        Assert.SkipUnless(Git("init", "-q", "-b", "topic"), "no git here");
        Assert.Empty(RunTags.OfGit(GitState.Of(repository)));               // nothing is committed yet
        Commit("a.cs", "1\n");

        var clean = RunTags.OfGit(GitState.Of(repository));
        Write("a.cs", "2\n");
        var dirty = RunTags.OfGit(GitState.Of(repository));

        Assert.Matches("^[0-9a-f]{40}$", clean["mlflow.source.git.commit"]);
        Assert.Equal(("topic", "false"), (clean["mlflow.source.git.branch"], clean["mlflow.source.git.dirty"]));
        Assert.Equal("true", dirty["mlflow.source.git.dirty"]);
    }

    [Fact]
    public void The_diff_brings_the_commit_to_the_code_that_ran_and_names_what_it_does_not_hold()
    {
        Assert.SkipUnless(Git("init", "-q", "-b", "topic"), "no git here");
        Commit("src/a.cs", "one\ntwo\n");
        Assert.Equal("", GitState.Diff(repository));
        Write("src/a.cs", "one\nchanged\n");
        Write("new.cs", "new\n");

        var diff = GitState.Diff(Path.Combine(repository, "src"));          // from a folder within, as the built program lies in one

        Assert.StartsWith("# not in the commit, not in this diff: new.cs\n", diff, StringComparison.Ordinal);
        Assert.True(Git("checkout", "-q", "--", "."));
        Assert.Equal("one\ntwo\n", File.ReadAllText(Path.Combine(repository, "src", "a.cs")));
        Write("code.diff", diff);
        Assert.True(Git("apply", "code.diff"));
        Assert.Equal("one\nchanged\n", File.ReadAllText(Path.Combine(repository, "src", "a.cs")));
    }

    [Fact]
    public void A_diff_too_large_for_code_is_cut()
    {
        Assert.SkipUnless(Git("init", "-q", "-b", "topic"), "no git here");
        Commit("a.txt", "");
        Write("a.txt", new string('x', GitState.MaxDiff + 10));

        var diff = GitState.Diff(repository);

        Assert.InRange(diff.Length, GitState.MaxDiff, GitState.MaxDiff + 100);
        Assert.Contains("[cut: the diff has ", diff, StringComparison.Ordinal);
    }

    private void Commit(string name, string text)
    {
        Write(name, text);
        Assert.True(Git("add", "."));
        Assert.True(Git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "a"));
    }

    private void Write(string name, string text)
    {
        var file = Path.Combine(repository, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    private bool Git(params string[] arguments)
    {
        try
        {
            using var git = Process.Start(new ProcessStartInfo("git", arguments) { WorkingDirectory = repository })!;
            git.WaitForExit();
            return git.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }
}
