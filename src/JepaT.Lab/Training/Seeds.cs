namespace JepaT.Lab;

/// <summary>What a seed is for: every use has its own stream, so that none depends on how much another one drew.</summary>
internal enum SeedUse
{
    Weights,
    DataOrder,
    Draws,
    Dropout,
    Samples,
    Pictures,
    Prompts,
}

/// <summary>
/// Seeds as a pure function of experiment seed, use and counter (step, epoch or image). Nothing random has a state that would have to
/// be saved: a resumed run draws what the uninterrupted one would have drawn, and image i is the same in any batch.
/// </summary>
internal static class Seeds
{
    public static long Of(long seed, SeedUse use, long counter = 0) =>
        (long)(Mix(Mix(Mix((ulong)seed) + (ulong)use) + (ulong)counter) >> 1);         // non-negative

    // SplitMix64 (Steele, Lea, Flood 2014).
    private static ulong Mix(ulong x)
    {
        x += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
