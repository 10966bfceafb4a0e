namespace JepaT.Lab;

/// <summary>
/// Something to look at: HTML for a notebook or page, text for a terminal, a PNG file where it is a picture. HTML needs nothing from
/// elsewhere, and all text in it is encoded. Every host of notebooks can display it, also as the last expression of a cell.
/// </summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public abstract class View
{
    /// <summary>The MIME type under which <see cref="Notebook.Show"/> shows it.</summary>
    public virtual string Mime => "text/html";

    /// <summary>A PNG file, or null where it is no single picture.</summary>
    public virtual byte[]? Png => null;

    /// <summary>A fragment of HTML.</summary>
    public abstract string ToHtml();

    /// <summary>Plain text.</summary>
    public abstract override string ToString();

    /// <summary>The view of anything; what is not known is shown by its items, its own text or its properties.</summary>
    public static View Of(object value) => Known(value) ?? ObjectView.Of(value);

    /// <summary>Views side by side, in a further line where the page is too narrow.</summary>
    public static View Row(params IEnumerable<object> views) => new StackView([.. views.Select(Of)], row: true);

    /// <summary>Views beneath each other.</summary>
    public static View Column(params IEnumerable<object> views) => new StackView([.. views.Select(Of)], row: false);

    /// <summary>A view with a heading.</summary>
    public static View Titled(string title, object view) => new TitledView(title, Of(view));

    /// <summary>One of several views at a time, chosen by a slider that also works in a saved page, without a kernel and without scripts.</summary>
    public static View Slider(IEnumerable<(string Label, object View)> frames) => new SliderView([.. frames.Select(f => (f.Label, Of(f.View)))]);

    /// <summary>A picture (C, H, W) or (1, C, H, W), C = 1 or 3: floating in [-1, 1] or uint8.</summary>
    public static View Picture(Tensor image, string? caption = null, int scale = 0)
    {
        using var one = image.dim() == 3 ? image.unsqueeze(0) : image.alias();
        return new PictureView(ImageGrid.Each(one)[0], caption, scale: scale);
    }

    /// <summary>Pictures (N, C, H, W) in rows.</summary>
    /// <param name="images">Floating in [-1, 1] or uint8; C = 1 or 3.</param>
    /// <param name="captions">One a picture, or none.</param>
    /// <param name="columns">Pictures a row; by default at most 8, or as many as give each row caption its row.</param>
    /// <param name="rowCaptions">Text left of each row.</param>
    /// <param name="scale">Enlargement.</param>
    public static View Images(Tensor images, IReadOnlyList<string>? captions = null, int columns = 0, IReadOnlyList<string>? rowCaptions = null, int scale = 0) =>
        images.shape[0] == 0 ? new TextView("no pictures") : GridView.Of(images, captions, columns, rowCaptions, scale);

    /// <summary>A picture cut into its tokens.</summary>
    /// <param name="image">(C, H, W) floating in [-1, 1].</param>
    /// <param name="patchSize">Side of a token in pixels.</param>
    /// <param name="hidden">(L) bool: masked tokens, drawn hatched; or none.</param>
    /// <param name="marked">(L) bool: tokens with a frame; or none.</param>
    /// <param name="labels">A short text for each token; or none.</param>
    /// <param name="caption">Text beneath it.</param>
    public static View Tokens(Tensor image, int patchSize, Tensor? hidden = null, Tensor? marked = null, IReadOnlyList<string>? labels = null, string? caption = null) =>
        TokenView.Of(image, patchSize, hidden, marked, labels, caption);

    /// <summary>A value for each of L tokens (L), as a square of colours with its scale; <paramref name="hidden"/> (L) are hatched.</summary>
    public static View TokenMap(Tensor values, string? caption = null, Tensor? hidden = null, (double Low, double High)? range = null) =>
        TokenView.Map(values, caption, hidden, range);

    /// <summary>A table of names and values.</summary>
    public static View Table(IEnumerable<(string Name, string Value)> entries) => TableView.Of(entries);

    /// <summary>A table; the first column names the row.</summary>
    public static View Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows, string? note = null) =>
        new TableView(columns, [.. rows.Select(IReadOnlyList<TableCell> (r) => [.. r.Select(c => new TableCell(c))])], note);

    /// <summary>Whether <see cref="Of"/> has more to show of it than its text.</summary>
    internal static bool Knows(object value) => Known(value) is not null;

    /// <summary>Types that <see cref="Of"/> knows and that carry no attribute of ours.</summary>
    internal static IReadOnlyList<Type> ForeignTypes { get; } = [typeof(Tensor), typeof(nn.Module), typeof(JepaModel), typeof(SampleStep), typeof(ModelConfig)];

    private static View? Known(object value) => value switch
    {
        View view => view,
        byte[] png when PictureView.IsPng(png) => new PictureView(png),
        Tensor tensor => new TensorView(tensor),
        nn.Module module => new ModelView(module),
        SampleStep step => new SampleStepView(step),
        TrainedModel trained => Of(trained.Model),
        Denoising denoising => denoising.Slider(),
        DenoisingStep step => Titled(step.Title, Row(step.Picture, step.Order)),
        Example example => example.Picture,
        ModelConfig config => ConfigView.Of(config),
        Experiment experiment => ConfigView.Of(experiment),
        ResultTable table => TableView.Of(table),
        AblationResult ablation => TableView.Of(ResultTable.Of(ablation)),
        TitledChart chart => ChartView.Of(chart),
        RunResult result => Titled($"{result.Preset}, seed {result.Seed}: {result.Status.ToLowerInvariant()}", TableView.Of(result)),
        FusionAblation ablation => ablation.Table,
        RunSet runs => RunView.Table(runs.Select(r => r.Run)),
        LoggedRun run => new RunView(run.Run),
        PairStudy study => study.Map,
        Run run => new RunView(run),
        IEnumerable<Run> runs => RunView.Table(runs),
        IEnumerable<Metric> metrics => ChartView.Of(metrics),
        IEnumerable<View> views => Column(views),
        IEnumerable<TitledChart> charts => Column(charts),
        _ => null,
    };
}

/// <summary>Text as it is.</summary>
internal sealed class TextView(string text) : View
{
    public override string Mime => "text/plain";

    public override string ToHtml() => Html.Of($"""<pre style="white-space:pre-wrap;margin:0">{text}</pre>""").Markup;

    public override string ToString() => text;
}

/// <summary>Views side by side or beneath each other.</summary>
internal sealed class StackView(IReadOnlyList<View> views, bool row) : View
{
    public override string ToHtml()
    {
        var style = row ? "display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start" : "display:flex;flex-direction:column;gap:12px;align-items:flex-start";
        return Html.Of($"""<div style="{style}">{Html.Join(views.Select(v => Html.Of($"<div>{new Html(v.ToHtml())}</div>")))}</div>""").Markup;
    }

    public override string ToString() => string.Join("\n", views);
}

/// <summary>A view with a heading.</summary>
internal sealed class TitledView(string title, View view) : View
{
    public override string ToHtml() =>
        Html.Of($"""<div style="{Html.Font}"><div style="font-weight:600;margin:0 0 4px">{title}</div>{new Html(view.ToHtml())}</div>""").Markup;

    public override string ToString() => $"{title}\n{view}";
}
