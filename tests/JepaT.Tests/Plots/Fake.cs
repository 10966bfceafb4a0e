using JepaT.Lab;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>Ablations made by hand for the tests of tables and reports.</summary>
internal static class Fake
{
    public static RunResult Run(string preset, int seed, double fid, string status = "FINISHED", string? error = null, int pictures = 0) => new(
        preset, seed, $"run-{preset}-{seed}", status, error,
        new Dictionary<string, double>
        {
            ["fid_fashion_1k"] = fid,
            ["is_fashion_1k"] = 5 + seed,
            ["alignment_seen"] = 0.5 + 0.1 * seed,
            ["alignment_held_out"] = 0.25,
            ["parameters"] = 1_234_567,
            ["images_per_second"] = 250,
        },
        new Dictionary<string, IReadOnlyList<CurvePoint>>
        {
            ["eval/fid_fashion_1k"] = [new(100, fid * 4), new(200, fid * 2), new(300, fid)],
            ["train/loss"] = [new(1, 2), new(2, 1.5), new(3, 1.25)],
        },
        pictures == 0 ? [] : ImageGrid.Each(ones(pictures, 3, 28, 28)));

    /// <summary>none: FID 60, 64, 68 (mean 64, deviation 4); full: 40, 43 finished (41.5, 2.12) and one failed; late: failed.</summary>
    public static AblationResult Ablation(int pictures = 0, string prompt = "a red sneaker") => new(
        "quick",
        [
            Run("none", 0, 60, pictures: pictures), Run("none", 1, 64, pictures: pictures), Run("none", 2, 68, pictures: pictures),
            Run("full", 0, 40, pictures: pictures), Run("full", 1, 43), Run("full", 2, 1, "FAILED", "step 7: the loss is NaN"),
            Run("late", 0, 2, "FAILED", "step 9: the loss is NaN"),
        ],
        [prompt, "a blue bag"], "model:\n  width: 128\n", "./lab ablate experiments/quick.yaml", "2 × EPYC", new(2025, 3, 4, 5, 6, 0, TimeSpan.Zero), "fashion (1a2b3c4d)")
    {
        Commit = "0123456789abcdef",
        Duration = TimeSpan.FromMinutes(14),
    };
}
