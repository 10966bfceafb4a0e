using System.Diagnostics;
using System.Globalization;

namespace JepaT.Lab;

/// <summary>A run to look at while it trains: progress, losses, metrics, and the pictures of the fixed prompts at each evaluation.</summary>
internal sealed class LiveTraining : IRunWatcher, IDisposable
{
    private readonly Experiment experiment;
    private readonly string name;
    private readonly IReadOnlyList<string> prompts;
    private readonly LiveOutput output = Notebook.Live();
    private readonly ChartView losses;
    private readonly List<(string Step, object Pictures)> samples = [];
    private readonly long started = Stopwatch.GetTimestamp();
    private long first = -1;
    private string metrics = "";

    public LiveTraining(Experiment experiment, string name, IReadOnlyList<string> prompts)
    {
        (this.experiment, this.name, this.prompts) = (experiment, name, prompts);
        losses = new ChartView { XTitle = "training step", YTitle = "loss", Log = true, XEnd = experiment.Training.Steps };
        output.Update($"{name}: loading data");
    }

    public void Logged(long step, TrainingValues v)
    {
        if (first < 0) first = step - 1;
        losses.Point("flow matching", step, v.Flow);
        losses.Point("JEPA", step, v.Jepa);
        Show(step, string.Create(CultureInfo.InvariantCulture, $"{v.ImagesPerSecond:0} pictures/s"));
    }

    public void Evaluated(long step, IReadOnlyList<(string Name, double Value)> values, Tensor pictures)
    {
        metrics = string.Join(", ", values.Select(v => (Name: MetricName.Parse(v.Name), v.Value)).Where(v => v.Name?.Family is "fid" or "is" or "alignment")
            .Select(v => $"{v.Name!.Heading} {v.Name.Format(v.Value)}"));
        using var scope = NewDisposeScope();
        // Of the pictures of each prompt the first.
        var each = (int)pictures.shape[0] / prompts.Count;
        var shown = pictures.index_select(0, arange(prompts.Count, device: pictures.device) * each);
        samples.Add(($"step {step}: {metrics}", View.Images(shown, prompts, columns: 8)));
        Show(step, "");
    }

    public void Dispose() => output.Dispose();

    private void Show(long step, string speed) => output.Update(new Frame(this, step, speed));

    /// <summary>Drawn only when it is shown, which may be later than it was made.</summary>
    private sealed class Frame(LiveTraining run, long step, string speed) : View
    {
        private string Line
        {
            get
            {
                var (steps, elapsed) = (run.experiment.Training.Steps, Stopwatch.GetElapsedTime(run.started));
                var rest = step >= steps ? $"took {Progress.Duration(elapsed)}" : step > run.first ? $"{Progress.Duration(elapsed * ((steps - step) / (double)(step - run.first)))} left" : "";
                return string.Join(", ", new[] { $"{run.name}: step {step} of {steps}", speed, rest }.Where(p => p.Length > 0));
            }
        }

        public override string ToHtml()
        {
            var share = Math.Clamp(100.0 * step / run.experiment.Training.Steps, 0, 100);
            var bar = Html.Of($"""<div style="height:6px;max-width:640px;border:{Html.Line};border-radius:3px"><div style="height:100%;width:{share:0.#}%;background:{Colours.Legible("#0072B2")};border-radius:3px"></div></div>""");
            var pictures = run.samples.Count == 0 ? Html.None : new Html(Slider(run.samples).ToHtml());
            return Html.Of($"""<div style="{Html.Font}"><div>{Line}</div>{bar}{new Html(run.losses.ToHtml())}{pictures}</div>""").Markup;
        }

        public override string ToString() => string.Join('\n', new[] { Line, run.losses.ToString(), run.metrics }.Where(l => l.Length > 0));
    }
}
