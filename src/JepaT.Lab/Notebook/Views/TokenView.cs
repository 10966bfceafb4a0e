using System.Globalization;

namespace JepaT.Lab;

/// <summary>Pictures of tokens: a mask, an order, a map of values, a step of the sampler.</summary>
internal static class TokenView
{
    private const int Target = 196;                                             // pixels of the whole drawing, about

    public static View Of(Tensor image, int patchSize, Tensor? hidden, Tensor? marked, IReadOnlyList<string>? labels, string? caption)
    {
        var side = (int)image.shape[^1] / patchSize;
        var hiddenFlags = Flags(hidden);
        var picture = new TokenPicture(side) { Image = image, Hidden = hiddenFlags, Marked = Flags(marked), Labels = labels, Cell = CellOf(side) };
        return new PictureView(picture.Draw(), caption, Text(caption, hiddenFlags is null ? $"{side} × {side} tokens" : Rows(side, i => hiddenFlags[i] ? "#" : ".", "")), scale: 1);
    }

    public static View Map(Tensor values, string? caption, Tensor? hidden, (double Low, double High)? range)
    {
        var numbers = Numbers(values);
        var side = (int)Math.Ceiling(Math.Sqrt(numbers.Length));
        var padded = numbers.Concat(Enumerable.Repeat(double.NaN, side * side - numbers.Length)).ToArray();
        var png = new TokenPicture(side) { Values = padded, Range = range, Hidden = Flags(hidden), Cell = CellOf(side) }.Draw();
        var text = Text(caption, Rows(side, i => padded[i].ToString("0.00", CultureInfo.InvariantCulture), " "));
        return new MapView(png, text, caption, range ?? Colours.RangeOf(numbers));
    }

    public static bool[]? Flags(Tensor? tensor)
    {
        if (tensor is null) return null;
        using var scope = NewDisposeScope();
        return tensor.flatten().to(CPU).to(ScalarType.Bool).contiguous().data<bool>().ToArray();
    }

    private static double[] Numbers(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().flatten().to(CPU).to(ScalarType.Float64).contiguous().data<double>().ToArray();
    }

    private static int CellOf(int side) => Math.Max(8, Target / side);

    private static string Rows(int side, Func<int, string> cell, string between) =>
        string.Join('\n', Enumerable.Range(0, side).Select(row => string.Join(between, Enumerable.Range(row * side, side).Select(cell))));

    private static string Text(string? caption, string text) => caption is null ? text : $"{caption}\n{text}";

    /// <summary>A map of values over its scale of colours.</summary>
    private sealed class MapView(byte[] png, string text, string? caption, (double Low, double High) range) : View
    {
        private readonly PictureView picture = new(png, text: text, scale: 1);

        public override byte[] Png => png;

        public override string ToHtml() => Html.Of($"""
            <figure style="margin:0;{Html.Font}">{new Html(picture.ToHtml())}
            <div style="display:flex;gap:6px;align-items:center;width:{picture.Width}px">{range.Low:G3}
            <span style="flex:1;height:8px;background:{Colours.Gradient}"></span>{range.High:G3}</div>
            <figcaption style="max-width:{picture.Width}px">{caption}</figcaption></figure>
            """).Markup;

        public override string ToString() => text;
    }
}

/// <summary>
/// What one iteration of the sampler did, for the first picture of its batch: the picture so far (masked tokens hatched, new ones framed)
/// and the order in which tokens come.
/// </summary>
internal sealed class SampleStepView : View
{
    private readonly View picture, order;
    private readonly string title;

    public SampleStepView(SampleStep step)
    {
        using var scope = NewDisposeScope();
        var (length, size) = ((int)step.Tokens.shape[1], step.Tokens.shape[2]);
        var patch = PatchOf(size);
        var image = ImageTokens.Unpatchify(step.Tokens.narrow(0, 0, 1).to(CPU), patch)[0];
        var hidden = step.Mask[0].to(CPU);
        var fresh = zeros(length, dtype: ScalarType.Bool);
        foreach (var place in step.Predicted[0].to(CPU).data<long>().ToArray()) fresh[place] = true;
        var masked = (int)hidden.sum().ToInt64();
        title = string.Create(CultureInfo.InvariantCulture, $"Iteration {step.Iteration + 1}: {step.Predicted.shape[1]} of {length} tokens new, {masked} still masked, guidance {step.Guidance:0.##}");
        picture = TokenView.Of(image, patch, hidden, fresh, null, "the picture so far");
        order = TokenView.Of(image, patch, hidden, fresh, Ranks(step.Order), "order of generation");
        Png = picture.Png;
    }

    public override byte[]? Png { get; }

    public override string ToHtml() => Titled(title, Row(picture, order)).ToHtml();

    public override string ToString() => $"{title}\n{picture}";

    /// <summary>Side of a token's patch from its size: c · p · p numbers, of 3 channels or 1.</summary>
    internal static int PatchOf(long size)
    {
        var coloured = (int)Math.Round(Math.Sqrt(size / 3.0));
        return 3 * coloured * coloured == size ? coloured : (int)Math.Round(Math.Sqrt(size));
    }

    /// <summary>When each token comes, counted from 1: the first places of the order are generated last.</summary>
    /// <param name="orders">(B, L), of which the first row counts.</param>
    internal static string[] Ranks(Tensor orders)
    {
        using var scope = NewDisposeScope();
        var order = orders[0].to(CPU).data<long>().ToArray();
        var ranks = new string[order.Length];
        for (var i = 0; i < order.Length; i++) ranks[order[i]] = (order.Length - i).ToString(CultureInfo.InvariantCulture);
        return ranks;
    }
}
