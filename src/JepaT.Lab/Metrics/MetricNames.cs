using System.Globalization;

namespace JepaT.Lab;

/// <summary>
/// Names under which metrics are logged. Each carries the feature network and the number of generated pictures, because values
/// from another network or another count do not compare: <c>fid_fashion_5k</c>, <c>is_inception_50k_std</c>.
/// </summary>
public static class MetricNames
{
    /// <summary>Fréchet distance; smaller is better.</summary>
    public static string Fid(string network, long count) => Name("fid", network, count);

    /// <summary>Inception score; larger is better.</summary>
    public static string InceptionScore(string network, long count) => Name("is", network, count);

    /// <summary>Standard deviation of the Inception score over its splits.</summary>
    public static string InceptionScoreStd(string network, long count) => Name("is", network, count) + "_std";

    /// <summary>Kernel distance; smaller is better, 0 is reached on both sides.</summary>
    public static string Kid(string network, long count) => Name("kid", network, count);

    /// <summary>Standard deviation of the kernel distance over its subsets.</summary>
    public static string KidStd(string network, long count) => Name("kid", network, count) + "_std";

    /// <summary>Share of generated pictures on the real manifold.</summary>
    public static string Precision(string network, long count) => Name("precision", network, count);

    /// <summary>Share of real pictures on the generated manifold.</summary>
    public static string Recall(string network, long count) => Name("recall", network, count);

    /// <summary>Share of pictures on which all that was asked is right; of pairs seen in training or held out from it.</summary>
    public static string Alignment(bool heldOut, string network, long count) => Name($"alignment_{Pairs(heldOut)}", network, count);

    /// <summary>Share of pictures whose item is as asked.</summary>
    public static string AlignmentItem(bool heldOut, string network, long count) => Name($"item_alignment_{Pairs(heldOut)}", network, count);

    /// <summary>Share of pictures whose colour is as asked.</summary>
    public static string AlignmentColour(bool heldOut, string network, long count) => Name($"colour_alignment_{Pairs(heldOut)}", network, count);

    /// <summary>A count as it stands in a name: whole thousands as <c>5k</c>, all else in full.</summary>
    public static string Count(long count) =>
        count > 0 && count % 1000 == 0
            ? (count / 1000).ToString(CultureInfo.InvariantCulture) + "k"
            : count.ToString(CultureInfo.InvariantCulture);

    private static string Name(string metric, string network, long count) => $"{metric}_{network}_{Count(count)}";

    private static string Pairs(bool heldOut) => heldOut ? "held_out" : "seen";
}
