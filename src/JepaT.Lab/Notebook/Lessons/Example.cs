namespace JepaT.Lab;

/// <summary>One training picture, as the model sees it: picture, caption, tokens, masks.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class Example
{
    private readonly Tensor image;                                              // (C, H, W)
    private readonly ModelConfig model;
    private readonly Workbench bench;

    internal Example(Workbench bench, ModelConfig model, int index)
    {
        if (index < 0 || index >= bench.Fashion.Count) throw new UserException($"there is no picture {index}: the training set has {bench.Fashion.Count}");
        (this.bench, this.model) = (bench, model);
        using var scope = NewDisposeScope();
        image = bench.Fashion.Images(tensor(new long[] { index }, device: bench.Fashion.CaptionIds.device))[0].cpu().DetachFromDisposeScope();
        Caption = bench.Fashion.Captions[(int)bench.Fashion.CaptionIds[index].ToInt64()];
    }

    /// <summary>What it is of.</summary>
    public string Caption { get; }

    /// <summary>The picture.</summary>
    public View Picture => View.Picture(image, Caption, scale: 7);

    /// <summary>The picture cut into tokens, numbered in their order.</summary>
    public View Tokens => View.Tokens(image, model.PatchSize, labels: [.. Enumerable.Range(1, model.Tokens).Select(i => $"{i}")],
        caption: $"{model.Tokens} tokens of {model.PatchSize} × {model.PatchSize} pixels, {model.TokenDim} numbers each");

    /// <summary>The tokens as the model gets them: a row a token, a column a number.</summary>
    public View Numbers
    {
        get
        {
            using var scope = NewDisposeScope();
            return View.Of(ImageTokens.Patchify(image.unsqueeze(0), model.PatchSize)[0]);
        }
    }

    /// <summary>The caption's features, and how alike they are to those of other captions.</summary>
    public View Text(params string[] others)
    {
        using var scope = NewDisposeScope();
        string[] captions = [Caption, .. others];
        var features = nn.functional.normalize(bench.Text.Encode(captions), 2, 1);
        var alike = einsum("id,jd->ij", features, features).data<float>().ToArray();
        return View.Column(
            View.Titled($"Features of '{Caption}': {features.shape[1]} numbers, most of them 0", View.Of(features[0])),
            View.Table([.. captions.Prepend("cosine similarity")],
                captions.Select((c, i) => (IReadOnlyList<string>)[c, .. Enumerable.Range(0, captions.Length).Select(j => FormattableString.Invariant($"{alike[i * captions.Length + j]:0.00}"))])));
    }

    /// <summary>The picture with some of its tokens masked, as in training: the model sees the rest and the caption.</summary>
    /// <param name="ratio">Share of masked tokens.</param>
    /// <param name="seed">Which ones.</param>
    public View Masked(double ratio, long seed = 0)
    {
        if (ratio is not (>= 0 and <= 1)) throw new UserException($"a mask ratio of {ratio}: give a share between 0 and 1");
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed);
        var count = Masking.Count(ratio, model.Tokens);
        var hidden = zeros(model.Tokens, dtype: ScalarType.Bool).index_fill(0, randperm(model.Tokens, generator: generator).narrow(0, 0, count), true);
        return View.Tokens(image, model.PatchSize, hidden, caption: $"{count} of {model.Tokens} tokens masked");
    }

    /// <summary>How many tokens training masks: the law behind the ratio, drawn many times.</summary>
    public View MaskRatios(double minimum = 0.7, int draws = 2000)
    {
        var counts = Enumerable.Range(0, draws).Select(i => Masking.Count(Masking.Ratio((i + 0.5) / draws, minimum), model.Tokens)).CountBy(n => n).OrderBy(c => c.Key).ToList();
        return new ChartView
        {
            XTitle = $"masked tokens out of {model.Tokens}",
            YTitle = "share of training steps",
            Percent = true,
            Categories = [.. counts.Select(c => $"{c.Key}")],
        }.Add(new Series("", [.. counts.Select((_, i) => (double)i)], [.. counts.Select(c => (double)c.Value / draws)]) { Kind = SeriesKind.Bars });
    }

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => Picture.ToHtml();

    /// <summary>The caption.</summary>
    public override string ToString() => Caption;
}
