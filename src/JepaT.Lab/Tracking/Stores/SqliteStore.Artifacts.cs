namespace JepaT.Lab;

// Files of a run, where a server started in the folder serves them.
public sealed partial class SqliteStore
{
    public void UploadArtifact(string runId, string path, Stream content)
    {
        MlflowRules.CheckArtifactPath(path);
        var target = Path.Combine(ArtifactFolder(runId), path);
        // Written beside the artifacts and moved in: a stray or half file in images/ would hide all pictures of the run.
        var incoming = Path.Combine(Path.GetDirectoryName(ArtifactFolder(runId))!, ".incoming");
        var temporary = Path.Combine(incoming, Guid.NewGuid().ToString("N"));
        try
        {
            Directory.CreateDirectory(incoming);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            using (var file = new FileStream(temporary, FileMode.CreateNew)) content.CopyTo(file);
            System.IO.File.Move(temporary, target, overwrite: true);
            foreach (var left in Directory.EnumerateFiles(incoming))        // by processes that were killed
                if (clock.GetUtcNow() - System.IO.File.GetLastWriteTimeUtc(left) > TimeSpan.FromDays(1)) System.IO.File.Delete(left);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"cannot write the artifact {target} ({e.Message}): check the disk's free space and the folder's rights", e);
        }
        finally
        {
            if (System.IO.File.Exists(temporary)) System.IO.File.Delete(temporary);        // also when the content breaks off
        }
    }

    public Stream OpenArtifact(string runId, string path)
    {
        MlflowRules.CheckArtifactPath(path);
        var file = Path.Combine(ArtifactFolder(runId), path);
        return System.IO.File.Exists(file) ? System.IO.File.OpenRead(file) : throw new UserException($"run {runId} has no artifact '{path}' ({file})");
    }

    public IReadOnlyList<ArtifactInfo> Artifacts(string runId)
    {
        var folder = ArtifactFolder(runId);
        return !Directory.Exists(folder) ? [] : [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Select(f => new ArtifactInfo(Path.GetRelativePath(folder, f).Replace(Path.DirectorySeparatorChar, '/'), new FileInfo(f).Length))
            .OrderBy(f => f.Path, StringComparer.Ordinal)];
    }

    /// <summary>The folder on this disk that holds the files of a run.</summary>
    public string ArtifactFolder(string runId)
    {
        const string served = "mlflow-artifacts:/";
        var uri = Guard(() => (string?)Scalar("SELECT artifact_uri FROM runs WHERE run_uuid = $1", runId) ?? throw NoRun(runId));
        if (uri.StartsWith(served, StringComparison.Ordinal)) return Path.Combine(Folder, "mlartifacts", uri[served.Length..].TrimStart('/'));
        if (uri.StartsWith("file:", StringComparison.Ordinal)) return new Uri(uri).LocalPath;
        return uri.Contains("://", StringComparison.Ordinal)
            ? throw new UserException($"run {runId} keeps its artifacts at {uri}, which is not supported: start the run in another experiment")
            : Path.GetFullPath(uri, Folder);
    }
}
