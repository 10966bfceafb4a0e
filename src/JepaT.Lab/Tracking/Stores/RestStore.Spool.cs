namespace JepaT.Lab;

// What the spool needs: calls that are not patient, and a create that is found again.
public sealed partial class RestStore
{
    /// <summary>How long one try may go without progress where somebody waits for the next.</summary>
    private static readonly TimeSpan HastyTimeout = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The same server with three kinds of patience: for the start of a run some tries, for a thread that has more to do one short try, and
    /// for one that has nothing else to do one long try.
    /// </summary>
    /// <param name="uri">As for <see cref="Open"/>; nothing is asked of the server.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="adapt">Changes what the environment says.</param>
    internal static (RestStore Some, RestStore Short, RestStore Long) Connect(string uri, TimeProvider clock, Func<MlflowOptions, MlflowOptions>? adapt)
    {
        try
        {
            var options = MlflowOptions.FromEnvironment(Environment.GetEnvironmentVariable, uri);
            options = adapt?.Invoke(options) ?? options;
            var http = options.CreateHttpClient();
            var once = options with { MaxRetries = 0 };
            var hasty = once with { Timeout = options.Timeout < HastyTimeout ? options.Timeout : HastyTimeout };
            return (Over(hasty with { MaxRetries = Math.Min(options.MaxRetries, 2), LongestWait = TimeSpan.FromSeconds(10) }), Over(hasty), Over(once));

            RestStore Over(MlflowOptions patience) => new(http, new MlflowClient(http, patience, clock)) { MaxRetries = options.MaxRetries };
        }
        catch (MlflowException e)
        {
            throw new UserException(e.Message, e);
        }
    }

    /// <summary>How often the environment says that a call is tried again.</summary>
    internal int MaxRetries { get; private init; }

    /// <summary>The pause before the next try, as MLflow's Python client makes it.</summary>
    internal TimeSpan Pause(int failures) => MlflowTransport.Pause(client.Options, failures);

    /// <summary>Asks the server for its version: whether it answers, and takes the login.</summary>
    internal void Check() => Guard(() => client.GetVersionAsync());

    /// <summary>Makes a run, or finds the one that an earlier try with this id has made.</summary>
    internal RunInfo CreateRun(string experimentId, string name, long startTime, IReadOnlyDictionary<string, string>? tags, string createId, bool lookFirst)
    {
        CheckNewRun(name, startTime, tags);
        return Guard(async () =>
        {
            var run = new MlflowNewRun(experimentId, name, startTime) { Tags = Pairs(tags), UserId = tags?.GetValueOrDefault("mlflow.user"), CreateIdTag = CreateIdTag, CreateId = createId };
            return Info((lookFirst ? await client.FindCreatedAsync(run) : null) is { } found ? found.Info : (await client.CreateRunAsync(run)).Info);
        });
    }

    /// <summary>A batch that was checked when it was logged.</summary>
    internal void SendBatch(string runId, IReadOnlyCollection<Metric> metrics, IReadOnlyCollection<KeyValuePair<string, string>> parameters,
        IReadOnlyCollection<KeyValuePair<string, string>> tags) => Guard(() => client.LogBatchAsync(runId,
            [.. metrics.Select(m => new MlflowMetric(m.Key, m.Value, m.Timestamp, m.Step))],
            [.. parameters.Select(p => new MlflowParam(p.Key, MlflowRules.Cut(p.Value, MlflowRules.MaxParamValue)))],
            [.. tags.Select(t => new MlflowTag(t.Key, MlflowRules.Cut(t.Value, MlflowRules.MaxTagValue)))]));

    /// <summary>Refuses what no server would take as a run.</summary>
    internal static void CheckNewRun(string name, long startTime, IReadOnlyDictionary<string, string>? tags)
    {
        MlflowRules.CheckLength("run", "name", name, MlflowRules.MaxRunName, required: true);
        if (startTime < 0) throw new UserException($"run '{name}': the start time {startTime} is negative");
        if (tags?.TryGetValue("mlflow.runName", out var tagged) == true && tagged != name)
            throw new UserException($"run '{name}': the tag mlflow.runName says '{tagged}'; both must be the same");
        foreach (var key in tags?.Keys ?? []) MlflowRules.CheckKey("tag", key);
    }
}
