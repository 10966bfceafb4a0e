namespace JepaT.Lab;

/// <summary>The files of runs, copied below a folder. Their names come from whoever wrote the store: none leads out of the folder.</summary>
internal static class ArtifactExport
{
    /// <summary>Copies all files of the runs to <c>FOLDER/RUN ID/NAME</c>; what cannot be copied is told, and the rest goes on.</summary>
    /// <returns>How many files were left out.</returns>
    public static int Copy(RunSet runs, string folder, TextWriter errors, CancellationToken stop)
    {
        var left = 0;
        using var progress = new Progress("artifacts", runs.Count, "runs");
        for (var i = 0; i < runs.Count; i++)
        {
            var run = runs[i];
            progress.Report(i, PlainText.Line(run.Name));
            if (Try(run, "its list of files", () => run.Artifacts) is not { } files) continue;
            foreach (var file in files)
            {
                stop.ThrowIfCancellationRequested();
                Try(run, $"artifact '{PlainText.Line(file)}'", () => CopyOne(run, file, folder, stop));
            }
        }
        progress.Report(runs.Count);
        return left;

        T? Try<T>(LoggedRun run, string what, Func<T> work) where T : class
        {
            try
            {
                return work();
            }
            catch (Exception e) when (e is UserException or MlflowException or ArgumentException or IOException or UnauthorizedAccessException)
            {
                errors.WriteLine($"run {PlainText.Line(run.Name)} ({PlainText.Line(run.ShortId)}), {what}: {PlainText.Line(e.Message)}");
                left++;
                return null;
            }
        }
    }

    private static string CopyOne(LoggedRun run, string name, string folder, CancellationToken stop)
    {
        var target = Target(folder, run.Id, name);
        using var content = run.OpenArtifact(name);
        // Streamed into a file beside the target, that takes its name when it is whole.
        Task.Run(() => MlflowFiles.WriteAsync(target, content, stop), stop).GetAwaiter().GetResult();
        return target;
    }

    /// <summary>Where a file goes.</summary>
    /// <exception cref="UserException">Its name, or the run's id, would lead elsewhere.</exception>
    internal static string Target(string folder, string runId, string name)
    {
        if (runId.Length == 0 || !runId.All(char.IsAsciiLetterOrDigit)) throw new UserException("the run's id is no name of a folder: not copied");
        var parts = name.Split('/');
        // What one system takes for a plain name leads elsewhere on another: drives, streams and backslashes are refused on all.
        if (parts.Any(p => p is "" or "." or ".." || p.Any(c => char.IsControl(c) || c is '\\' or ':')))
            throw new UserException("its name could lead out of the folder: not copied");
        return MlflowFiles.Inside(folder, [runId, .. parts]);
    }
}
