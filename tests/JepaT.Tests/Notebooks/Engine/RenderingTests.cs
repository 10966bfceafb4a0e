using JepaT.Lab;
using JepaT.Notebooks;
using SkiaSharp;
using TorchSharp;

namespace JepaT.Tests;

public sealed class RenderingTests
{
    [Theory]
    [InlineData("<b>", "<b>")]
    [InlineData('c', "c")]
    [InlineData(1.5, "1.5")]
    [InlineData(true, "True")]
    [InlineData(DayOfWeek.Friday, "Friday")]
    public void Texts_and_numbers_are_plain(object value, string text) => Assert.Equal([("text/plain", text)], Forms(value));

    [Fact]
    public void Null_shows_nothing() => Assert.Null(Rendering.Of(null));

    [Fact]
    public void Pictures_are_png()
    {
        using var bitmap = new SKBitmap(3, 2);
        using var image = SKImage.FromBitmap(bitmap);
        foreach (var picture in new object[] { bitmap, image })
        {
            var data = Rendering.Of(picture)!.Data;
            Assert.Equal(["image/png", "text/plain"], data.Keys.Order());
            using var decoded = SKBitmap.Decode(Convert.FromBase64String(data["image/png"]));
            Assert.Equal((3, 2), (decoded.Width, decoded.Height));
        }
    }

    [Fact]
    public void Both_conventions_are_honoured()
    {
        Assert.Equal([("text/html", "<b>mine</b>"), ("text/plain", "plain")], Forms(new WithToHtml()));
        Assert.Equal(("text/html", "<i>by attribute</i>"), Forms(new WithSource()).First());
        Assert.Equal([("text/html", "<i>by attribute</i>")], Rendering.Of(new WithSource(), "text/html")!.Data.Select(d => (d.Key, d.Value)));
    }

    [Fact]
    public void Other_objects_have_html_and_their_own_text()
    {
        var list = Rendering.Of(new List<WithText> { new("<a>"), new("b") })!.Data;
        Assert.Contains("&lt;a&gt;", list["text/html"], StringComparison.Ordinal);
        Assert.Equal("text of <a>", Rendering.Of(new WithText("<a>"))!.Data["text/plain"]);
        Assert.Contains("no such luck", Rendering.Of(new Throwing())!.Data.Values.First(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_bytes_of_a_file_are_shown_as_what_they_are()
    {
        byte[] bytes = [0x89, 0x50, 0x4E, 0x47, 0xFF];
        Assert.Equal(Convert.ToBase64String(bytes), Rendering.Of(bytes, "image/png")!.Data["image/png"]);
        Assert.Equal("<b>ü</b>", Rendering.Of("<b>ü</b>"u8.ToArray(), "text/html")!.Data["text/html"]);
    }

    [Fact]
    public void A_property_that_throws_is_told_without_frames_of_ours()
    {
        foreach (var (mime, text) in Forms(new { Good = 1, Bad = new WithBadProperty() }).Concat(Forms(new WithBadProperty())).Concat(Forms(new IOException("<shown>"))))
        {
            Assert.DoesNotContain("MemberAccessor", text, StringComparison.Ordinal);
            Assert.DoesNotContain("lambda_method", text, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
            Assert.DoesNotContain(mime == "text/html" ? "<shown>" : "&lt;shown", text, StringComparison.Ordinal);
        }
        Assert.Contains("FormatException: not &lt;now&gt;", Rendering.Of(new WithBadProperty())!.Data["text/html"], StringComparison.Ordinal);
        Assert.Contains("FormatException: not <now>", Rendering.Of(new WithBadProperty())!.Data["text/plain"], StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_is_never_walked_also_as_a_part_of_something()
    {
        using var tensor = torch.zeros(1000, 1000);
        foreach (var value in new object[] { tensor, new { Name = "a", Weights = tensor }, new[] { tensor }, new Dictionary<string, torch.Tensor> { ["w"] = tensor } })
            foreach (var (mime, text) in Forms(value))
                Assert.True(text.Length < 30_000, $"{value.GetType()} as {mime} has {text.Length} characters");
        Assert.Contains("1000", Rendering.Of(tensor)!.Data["text/plain"], StringComparison.Ordinal);
    }

    [Fact]
    public void Our_own_types_are_shown_as_the_lab_shows_them()
    {
        var table = View.Table([("name", "<value>")]);
        Assert.Equal([("text/html", table.ToHtml()), ("text/plain", table.ToString())], Forms(table));
    }

    private static IEnumerable<(string, string)> Forms(object value) => Rendering.Of(value)!.Data.OrderBy(d => d.Key).Select(d => (d.Key, d.Value));

#pragma warning disable CA1822 // both conventions want instances
    public sealed class WithToHtml
    {
        public string ToHtml() => "<b>mine</b>";

        public override string ToString() => "plain";
    }

    [TypeFormatterSource(typeof(Source))]
    public sealed class WithSource;

    public sealed record WithText(string Name)
    {
        public override string ToString() => $"text of {Name}";
    }

    public sealed class WithBadProperty
    {
        public int Bad => throw new FormatException("not <now>");
    }

    public sealed class Throwing
    {
        public override string ToString() => throw new InvalidOperationException("no such luck");
    }

    public sealed class Source
    {
        public IEnumerable<object> CreateTypeFormatters() => [new HtmlFormatter()];
    }

    public sealed class HtmlFormatter
    {
        public string MimeType => "text/html";

        public bool Format(object instance, TextWriter writer)
        {
            writer.Write("<i>by attribute</i>");
            return true;
        }
    }

    [AttributeUsage(AttributeTargets.Class)]
    internal sealed class TypeFormatterSourceAttribute(Type formatterSourceType) : Attribute
    {
        public Type FormatterSourceType { get; } = formatterSourceType;
    }
#pragma warning restore CA1822
}
