namespace JepaT.Lab;

public sealed partial class StoreCopy
{
    /// <summary>
    /// The copy of one run. Until all is there it is RUNNING at the target and marked as partly copied, so whatever interrupts it, the next
    /// copy finds out what is missing.
    /// </summary>
    private sealed class RunCopy(StoreCopy copy, CopyStep step, Dictionary<string, string> ids, CopyReport report, Action<long> progress)
    {
        private readonly ITrackingStore source = copy.source, target = copy.target!;
        private readonly Run run = step.Run;
        private string id = step.There?.Info.RunId ?? "";
        private bool open = step.There is null || !Ended(step.There.Info);

        /// <summary>Whether another copy has made the same run at the same time.</summary>
        public bool Raced { get; private set; }

        public void Copy(string experiment)
        {
            if (step.There is null) Create(experiment);
            else if (step.Overwrite && CopyMark.Of(step.There) is var mark && mark.Values != step.Mark.Values) Mark(CopyMark.Partly(step.Mark.Values));
            ids[run.Info.RunId] = id;
            try
            {
                if (step.Values) CopyValues();
                foreach (var file in step.Files) CopyFile(file);
            }
            finally
            {
                // A copy that is brought back leaves its origin as it was, also when it is interrupted.
                if (!step.Overwrite && open && step.There is { } there && Ended(there.Info)) target.UpdateRun(id, there.Info.Status, there.Info.EndTime);
            }
            if (step.Overwrite) End();
            if (step.There is null) report.Created++;
            else report.ToppedUp++;
        }

        private void Create(string experiment)
        {
            var tags = new Dictionary<string, string>
            {
                [CopyTags.Origin] = step.Root,
                [CopyTags.OriginStore] = source.FullUri,
                [CopyTags.Copied] = CopyMark.Partly(step.Mark.Values).ToString(),
            };
            if (run.Tags.TryGetValue("mlflow.user", out var user)) tags["mlflow.user"] = user;       // the stores' user column
            id = target.CreateRun(experiment, run.Info.Name.Length > 0 ? run.Info.Name : step.Root, run.Info.StartTime, tags).RunId;
            var same = new Dictionary<string, string> { [CopyTags.Origin] = step.Root };
            if (target.SearchRuns(new() { ExperimentId = experiment, Tags = same }).FirstOrDefault(r => r.Info.RunId != id) is not { } other) return;
            // Whoever sees two takes its own away: no order of events leaves both.
            Raced = true;
            target.DeleteTag(id, CopyTags.Origin);
            target.DeleteRun(id);
            throw new UserException($"another program is copying the same runs to {target.Uri} (it has just made {other.Info.RunId}): let it end, then repeat the command");
        }

        private void CopyValues()
        {
            var there = step.There;
            foreach (var some in run.Params.Where(p => there?.Params.GetValueOrDefault(p.Key) != MlflowRules.Cut(p.Value, MlflowRules.MaxParamValue)).Chunk(MlflowRules.MaxParams))
                target.LogBatch(id, [], some, []);
            foreach (var some in CopyTags.Of(run, ids).Where(Wanted).Chunk(MlflowRules.MaxTags)) target.LogBatch(id, [], [], some);
            var inputs = run.Inputs.Where(d => there?.Inputs.Any(o => (o.Name, o.Digest) == (d.Name, d.Digest)) != true).ToList();
            if (inputs.Count > 0) target.LogInputs(id, inputs);
            var batch = new List<Metric>();
            foreach (var key in run.Metrics.Keys)
                foreach (var metric in copy.Missing(run, key, there))
                {
                    batch.Add(metric);
                    if (batch.Count == MlflowRules.MaxMetrics) Send(batch);
                }
            Send(batch);

            bool Wanted(KeyValuePair<string, string> tag) => there?.Tags.TryGetValue(tag.Key, out var old) != true
                || (old != MlflowRules.Cut(tag.Value, MlflowRules.MaxTagValue) && (step.Overwrite || (tag.Key == "mlflow.parentRunId" && !step.Back)));
        }

        private void Send(List<Metric> batch)
        {
            copy.cancel.ThrowIfCancellationRequested();
            if (batch.Count == 0) return;
            if (!open) target.UpdateRun(id, RunStatus.Running, null);       // an ended run takes no values
            open = true;
            target.LogBatch(id, batch, [], []);
            report.Values += batch.Count;
            batch.Clear();
            progress(Done);
        }

        private void CopyFile(ArtifactInfo file)
        {
            for (var tries = 1; ; tries++)
                try
                {
                    copy.cancel.ThrowIfCancellationRequested();
                    using var content = new CopyStream(source.OpenArtifact(run.Info.RunId, file.Path), bytes => progress(Done + bytes), copy.cancel);
                    target.UploadArtifact(id, file.Path, content);
                    report.Files++;
                    report.Bytes += file.Size;
                    return;
                }
                catch (Exception) when (copy.cancel.IsCancellationRequested)
                {
                    throw new OperationCanceledException(copy.cancel);
                }
                catch (Exception e) when (tries < 4 && copy.IsTransient(e))       // broken off in the middle: from its start once more
                {
                    copy.cancel.WaitHandle.WaitOne(TimeSpan.FromSeconds(1 << tries));
                }
                catch (Exception e) when (e is MlflowException or IOException)
                {
                    throw new UserException($"artifact '{file.Path}': {e.Message}", e);
                }
        }

        private long Done => report.Bytes + (report.Values * BytesOfValue);

        private void End()
        {
            var (was, wanted) = (step.There?.Info, run.Info);
            var (status, end) = open ? (RunStatus.Running, null) : (was!.Status, was.EndTime);
            var name = wanted.Name.Length > 0 && was is not null && was.Name != wanted.Name ? wanted.Name : null;
            if (name is not null || status != wanted.Status || end != wanted.EndTime) target.UpdateRun(id, wanted.Status, wanted.EndTime, name);
            Mark(step.Mark);
        }

        private void Mark(CopyMark mark) => target.LogBatch(id, [], [], [KeyValuePair.Create(CopyTags.Copied, mark.ToString())]);
    }
}
