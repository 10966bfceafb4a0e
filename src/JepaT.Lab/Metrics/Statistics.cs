namespace JepaT.Lab;

/// <summary>Small sums over plain numbers.</summary>
internal static class Statistics
{
    /// <summary>Mean and population standard deviation (divisor N), as the published scores give them.</summary>
    public static (double Mean, double Std) MeanAndStd(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        return (mean, Math.Sqrt(values.Average(v => (v - mean) * (v - mean))));
    }
}
