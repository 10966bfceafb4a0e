using JepaT.Lab;
using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class ManyCaptionsTests
{
    private static readonly TrainingConfig Config = new() { BatchSize = 16, Steps = 10 };

    [Theory]
    [InlineData(TextForm.Pooled)]
    [InlineData(TextForm.Tokens)]
    public void Of_many_captions_those_of_a_batch_are_encoded_and_are_what_they_were(TextForm form)
    {
        using var scope = NewDisposeScope();
        var (text, plain) = (new CachedTextTests.SmallText(), new CachedTextTests.SmallText());
        using var data = new Numbered(410_000);

        using var batches = new Batches(data, text, Config, seed: 3, form);
        var batch = batches.Next(0);

        var ids = batch.Images.flatten().data<float>().Select(x => (int)x).ToArray();
        var wanted = plain.Encode([.. ids.Select(i => data.Captions[i])], form);
        Assert.Equal((16, 16), (text.Count, text.Most));
        Assert.True(wanted.Pooled.Equals(batch.Text.Pooled));
        Assert.Equal(form == TextForm.Tokens, batch.Text.Tokens is not null);
        if (form == TextForm.Tokens) Assert.True(wanted.Tokens!.Equals(batch.Text.Tokens!) && wanted.Mask!.Equals(batch.Text.Mask!));
    }

    [Fact]
    public void A_few_captions_are_encoded_once()
    {
        using var scope = NewDisposeScope();
        var text = new CachedTextTests.SmallText();
        using var data = new Numbered(CaptionFeatures.MostKept);

        using var batches = new Batches(data, text, Config, seed: 3, TextForm.Tokens);
        for (var step = 0; step < 5; step++) batches.Next(step);

        Assert.Equal(data.Count, text.Count);
    }

    [Fact]
    public void A_caption_that_cannot_be_encoded_is_told_before_the_first_step()
    {
        using var data = new Numbered(CaptionFeatures.MostKept + 1, last: " ");

        Assert.Contains("the prompt is empty", Assert.Throws<UserException>(() => new Batches(data, new HashedText(), Config, seed: 3)).Message, StringComparison.Ordinal);
    }

    /// <summary>Pictures of one pixel, which is their number, each with a caption of its own.</summary>
    private sealed class Numbered : ITrainingData
    {
        public Numbered(int count, string? last = null)
        {
            (Count, Captions) = (count, [.. Enumerable.Range(0, count).Select(i => i == count - 1 && last is not null ? last : $"caption {i}")]);
            CaptionIds = arange(count).DetachFromDisposeScope();
        }

        public string Name => "numbered";

        public string Split => "train";

        public string Digest => "00000000";

        public int Count { get; }

        public int Channels => 1;

        public int ImageSize => 1;

        public IReadOnlyList<string> Captions { get; }

        public bool? HasClasses => false;

        public Tensor CaptionIds { get; }

        public TrainingImages Take(Tensor index, long seed) => new(index.to(ScalarType.Float32).reshape(-1, 1, 1, 1), CaptionIds.index_select(0, index));

        public void Dispose() => CaptionIds.Dispose();
    }
}
