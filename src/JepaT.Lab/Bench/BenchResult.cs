using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace JepaT.Lab;

/// <summary>Times of one process that measured one kind of work: a line of JSON, ours and the peer's alike.</summary>
/// <param name="What"><c>train</c> (one step) or <c>sample</c> (one batch of images).</param>
/// <param name="Flavour"><c>ours</c>, or one of the peer's.</param>
/// <param name="Batch">Images in each repetition.</param>
/// <param name="Times">Seconds of each repetition, after one for warming up.</param>
/// <param name="PeakMib">Largest resident size of the process; null where the system does not tell.</param>
/// <param name="Parameters">Parameters of the model: equal in all flavours, or the work is not the same.</param>
/// <param name="Cpu">Processor seconds of the whole process, start and warm-up included; tells how busy others kept the machine.</param>
/// <param name="Torch">Version of torch or TorchSharp.</param>
internal sealed record BenchResult(
    [property: JsonPropertyName("what")] string What,
    [property: JsonPropertyName("flavour")] string Flavour,
    [property: JsonPropertyName("batch")] int Batch,
    [property: JsonPropertyName("times_s")] IReadOnlyList<double> Times,
    [property: JsonPropertyName("peak_mib")] double? PeakMib,
    [property: JsonPropertyName("parameters")] long Parameters,
    [property: JsonPropertyName("cpu_s")] double Cpu,
    [property: JsonPropertyName("torch")] string Torch)
{
    /// <summary>The result as one line of JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this);

    /// <summary>The results among a process's output lines; other lines, and work that was not asked for, are passed over.</summary>
    public static IEnumerable<BenchResult> Parse(IEnumerable<string> lines, string what) =>
        lines.Where(l => l.StartsWith('{'))
            .Select(l => JsonSerializer.Deserialize<BenchResult>(l))
            .OfType<BenchResult>().Where(r => r.What == what && r.Times is { Count: > 0 } && r.Batch > 0);

    /// <summary>Median of the values.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>What all rounds of one flavour and kind of work add up to: images a second and the largest peak.</summary>
internal sealed record BenchRow(string What, string Flavour, double Median, double Min, double Max, int Repetitions, double? PeakMib)
{
    /// <summary>Pools the repetitions of all rounds; the order of first appearance stays.</summary>
    public static List<BenchRow> Of(IEnumerable<BenchResult> results) =>
        [.. results.GroupBy(r => (r.What, r.Flavour)).Select(g =>
        {
            double[] rates = [.. g.SelectMany(r => r.Times.Select(t => r.Batch / t))];
            return new BenchRow(g.Key.What, g.Key.Flavour, BenchResult.Median(rates), rates.Min(), rates.Max(), rates.Length, g.Max(r => r.PeakMib));
        })];

    /// <summary>How many times as fast as the median of <paramref name="other"/>, e.g. <c>1.52 ×</c>.</summary>
    public string Ratio(BenchRow other) => Number(Median / other.Median) + " ×";

    /// <summary>Three digits that mean something: 0.0123, 1.23, 12.3, 123.</summary>
    public static string Number(double x) => x.ToString(x >= 100 ? "0" : x >= 10 ? "0.0" : x >= 0.1 ? "0.00" : "0.0000", CultureInfo.InvariantCulture);
}
