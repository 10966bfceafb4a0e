using JepaT.Lab;
using TorchSharp;

namespace JepaT.Tests;

/// <summary>What Notebook.Show makes of objects that are not ours.</summary>
public sealed class ObjectViewTests
{
    [Fact]
    public void Sequences_are_lists()
    {
        Assert.Equal("[1, 2, 3]", View.Of(new[] { 1, 2, 3 }).ToString());
        Assert.Equal("[a, null, [1, 2]]", View.Of(new List<object?> { "a", null, new[] { 1, 2 } }).ToString());
        Assert.Equal("[]", View.Of(Array.Empty<string>()).ToString());
        Assert.Contains("[0.5, &lt;b&gt;]", View.Of(new object[] { 0.5, "<b>" }).ToHtml(), StringComparison.Ordinal);
        Assert.EndsWith(", 199, …]", View.Of(Endless()).ToString(), StringComparison.Ordinal);

        static IEnumerable<int> Endless()
        {
            for (var i = 0; ; i++) yield return i;
        }
    }

    [Fact]
    public void Dictionaries_and_rows_are_tables()
    {
        var entries = View.Of(new Dictionary<string, double> { ["<fid>"] = 1.5, ["is"] = 2 });
        Assert.Equal("key    value\n<fid>    1.5\nis         2", entries.ToString());
        Assert.Contains("&lt;fid&gt;", entries.ToHtml(), StringComparison.Ordinal);
        Assert.Equal("Name  Size\na        1\nb        2", View.Of(new[] { new { Name = "a", Size = 1 }, new { Name = "b", Size = 2 } }).ToString());
        Assert.Equal("Name  Size\na        1", View.Of(new[] { new Item("a", 1) }).ToString());
    }

    [Fact]
    public void Other_objects_show_their_text_or_their_properties()
    {
        Assert.Equal("0.5", View.Of(0.5).ToString());
        Assert.Equal("Friday", View.Of(DayOfWeek.Friday).ToString());
        Assert.Equal("Item { Name = a, Size = 1 }", View.Of(new Item("a", 1)).ToString());
        Assert.Equal("1.2.3", View.Of(new Version(1, 2, 3)).ToString());
        using var tensor = torch.zeros(1000, 1000);
        var lines = View.Of(new Plain { Weights = tensor }).ToString().Split('\n');
        Assert.Equal(["Count", "Bad", "Weights", "Pending"], lines.Select(l => l.Split(' ')[0]));
        Assert.EndsWith("(FormatException: not now)", lines[1], StringComparison.Ordinal);
        Assert.All(lines, l => Assert.True(l.Length < 300));
        Assert.EndsWith("task, WaitingForActivation", lines[3], StringComparison.Ordinal);
    }

    private sealed record Item(string Name, int Size);

    private sealed class Plain
    {
#pragma warning disable CA1822 // what is shown are an instance's properties
        public int Count => 3;

        public int Bad => throw new FormatException("not now");

        public required torch.Tensor Weights { get; init; }

        public Task<int> Pending { get; } = new TaskCompletionSource<int>().Task;
#pragma warning restore CA1822
    }
}
