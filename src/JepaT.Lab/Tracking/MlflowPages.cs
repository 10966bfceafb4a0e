namespace JepaT.Lab;

/// <summary>Addresses of MLflow's pages, on the side for training: by itself MLflow 3.17 opens on its GenAI side, which shows no runs.</summary>
internal static class MlflowPages
{
    private const string Side = "?workflowType=machine_learning";

    /// <summary>All experiments.</summary>
    public static string Home(string server) => $"{server.TrimEnd('/')}/#/experiments{Side}";

    /// <summary>The runs of an experiment.</summary>
    public static string Runs(string server, string experimentId) => $"{Experiment(server, experimentId)}/runs{Side}";

    /// <summary>A run.</summary>
    public static string Run(string server, string experimentId, string runId) => $"{Experiment(server, experimentId)}/runs/{Uri.EscapeDataString(runId)}{Side}";

    /// <summary>A file of a run. Every part is encoded, so that no name becomes another host or folder.</summary>
    public static string Artifact(string server, string experimentId, string runId, string path) =>
        $"{Experiment(server, experimentId)}/runs/{Uri.EscapeDataString(runId)}/artifacts/{string.Join('/', path.Split('/').Select(p => Plain(Uri.EscapeDataString(p))))}{Side}";

    private static string Experiment(string server, string id) => $"{server.TrimEnd('/')}/#/experiments/{Uri.EscapeDataString(id)}";

    // The pages take these, which pictures have in their names, only as they are.
    private static string Plain(string encoded) => "+,:;=@&$".Aggregate(encoded, (text, c) => text.Replace(Uri.HexEscape(c), c.ToString(), StringComparison.Ordinal));
}
