namespace JepaT.Lab;

/// <summary>
/// NumPy's legacy generator, <c>numpy.random.RandomState(seed)</c>, as far as permutations need it: MT19937 (Matsumoto and Nishimura 1998)
/// and the shuffle whose results NumPy has frozen. So splits that others draw with NumPy can be drawn here.
/// </summary>
internal sealed class RandomState
{
    private const int Length = 624, Middle = 397;

    private readonly uint[] key = new uint[Length];
    private int at = Length;

    public RandomState(uint seed)
    {
        for (var i = 0u; i < Length; i++)
        {
            key[i] = seed;
            seed = 1812433253 * (seed ^ (seed >> 30)) + i + 1;
        }
    }

    /// <summary>The numbers 0 to <paramref name="count"/> - 1 in random order, as <c>permutation(count)</c>.</summary>
    public long[] Permutation(int count)
    {
        var order = new long[count];
        for (var i = 0; i < count; i++) order[i] = i;
        for (var i = count - 1; i > 0; i--)
        {
            var j = Below((uint)i);
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }

    /// <summary>0 to <paramref name="largest"/> ≥ 1, both included: the low bits, drawn again while they are more.</summary>
    private uint Below(uint largest)
    {
        var mask = uint.MaxValue >> System.Numerics.BitOperations.LeadingZeroCount(largest);
        uint value;
        do value = Next() & mask; while (value > largest);
        return value;
    }

    private uint Next()
    {
        if (at == Length) Turn();
        var y = key[at++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680;
        y ^= (y << 15) & 0xefc60000;
        return y ^ (y >> 18);
    }

    private void Turn()
    {
        for (var i = 0; i < Length; i++)
        {
            var y = (key[i] & 0x80000000) | (key[(i + 1) % Length] & 0x7fffffff);
            key[i] = key[(i + Middle) % Length] ^ (y >> 1) ^ ((y & 1) == 0 ? 0 : 0x9908b0df);
        }
        at = 0;
    }
}
