using JepaT.Lab;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>Against constants of NumPy 1.24.2: <c>numpy.random.RandomState(seed).permutation(n)</c>.</summary>
public sealed class RandomStateTests
{
    public static TheoryData<uint, long[]> Permutations => new()
    {
        { 0, [0] },
        { 0, [1, 0] },
        { 0, [2, 8, 4, 9, 1, 6, 7, 3, 0, 5] },
        { 0, [1, 6, 8, 9, 13, 4, 2, 14, 10, 7, 16, 11, 3, 0, 5, 15, 12] },
        { 1, [0, 1] },
        { 1, [2, 9, 6, 4, 0, 3, 1, 7, 8, 5] },
        { 2020, [2, 4, 9, 1, 5, 7, 6, 3, 8, 0] },
        { 2020, [4, 10, 1, 2, 9, 13, 16, 5, 15, 7, 12, 11, 14, 6, 3, 8, 0] },
        { uint.MaxValue, [8, 1, 5, 14, 10, 15, 16, 13, 11, 9, 6, 0, 4, 7, 12, 2, 3] },
    };

    [Theory]
    [MemberData(nameof(Permutations))]
    public void Permutations_are_those_of_NumPy(uint seed, long[] expected) => Assert.Equal(expected, new RandomState(seed).Permutation(expected.Length));

    [Theory]
    [InlineData(2020, 50_000, new long[] { 24397, 39273, 6546, 13504, 49765, 31361, 27741, 47758 }, new long[] { 44739, 47734, 40259, 41824 }, 31222818830262)]
    [InlineData(7, 5_000, new long[] { 3406, 757, 3624, 4544, 3235, 1868, 2916, 3335 }, new long[] { 2550, 537, 1220, 4271 }, 31174125436)]
    [InlineData(2020, 1_000, new long[] { 725, 986, 815, 656, 469, 76, 668, 286 }, new long[] { 630, 323, 392, 864 }, 250137882)]
    public void Long_ones_too_by_their_ends_and_a_weighted_sum(uint seed, int count, long[] first, long[] last, long sum)
    {
        var order = new RandomState(seed).Permutation(count);

        Assert.Equal(first, order[..first.Length]);
        Assert.Equal(last, order[^last.Length..]);
        Assert.Equal(sum, order.Select((value, i) => value * (i + 1)).Sum());
    }

    [Theory]
    [InlineData(2020, 1.8845976037629146, 0.18305674771236427)]
    [InlineData(0, 1.910541197629486, 0.21821263075782035)]
    public void The_Inception_score_is_that_of_torch_fidelitys_formula_in_NumPy(uint seed, double mean, double std)
    {
        // mean and std over i of exp(mean(sum(p (log p - log mean p)))) of rows[i N // 10 : (i + 1) N // 10], rows = RandomState(seed).permutation(N)
        using var scope = NewDisposeScope();
        var (i, j) = (arange(137).unsqueeze(1), arange(6).unsqueeze(0));
        var logits = (i * i * 7 + j * 13 * (i + 1)).remainder(23).to(ScalarType.Float64) / 3;

        using var score = new InceptionScore.Accumulator(137, seed);
        foreach (var part in logits.split(50)) score.Add(part);

        Assert.Equal(mean, score.Result().Mean, 1e-12);
        Assert.Equal(std, score.Result().Std, 1e-12);
    }

    [Fact]
    public void The_splits_of_the_Inception_score_are_torch_fidelitys()
    {
        // Picture 0 alone is sure of its class; 20 pictures, 10 splits: exp of the mean divergence of the two of its split is known.
        using var scope = NewDisposeScope();
        var logits = zeros(20, 2);
        var order = new RandomState(2020).Permutation(20);
        logits[order[6]] = tensor(new[] { 200f, -200f });
        logits[order[7]] = tensor(new[] { -200f, 200f });               // one split: an Inception score of 2, in all others 1

        using var score = new InceptionScore.Accumulator(20, FidProtocol.TorchFidelitySeed);
        score.Add(logits);

        Assert.Equal(1.1, score.Result().Mean, 1e-12);
    }
}
