using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch.nn;

namespace JepaT.Lab;

/// <summary>
/// The frozen KL-16 autoencoder of the published recipes (MAR, D-JEPA, JEPA-T): pictures to latents of 16 channels at a 16th of
/// the size and back. Names are those of the public <c>kl16.ckpt</c> (latent diffusion's). Only infers.
/// </summary>
public sealed class Autoencoder : IDisposable
{
    /// <summary>Pixels a latent place stands for, in each direction.</summary>
    public const int Stride = 16;

    /// <summary>Channels of a latent.</summary>
    public const int Channels = 16;

    /// <summary>Pixels taken at a time by default: four pictures of 256 × 256 need about 1 GB.</summary>
    private const long ChunkPixels = 4L * 256 * 256;

    private readonly Net net;

    private Autoencoder(Net net, IReadOnlyList<string> ignored) => (this.net, Ignored) = (net, ignored);

    /// <summary>Tensors of the file that inference has no use for: those of the loss it was trained with.</summary>
    public IReadOnlyList<string> Ignored { get; }

    /// <summary>Takes the weights in (they are copied).</summary>
    /// <param name="weights">Names (<c>encoder.conv_in.weight</c> …) to float32 tensors.</param>
    /// <param name="source">Where they come from, for messages.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="dtype">What it computes in; moments and pictures come out in it.</param>
    /// <exception cref="UserException">Lists what is missing, surplus or of another shape or type.</exception>
    public static Autoencoder From(IReadOnlyDictionary<string, Tensor> weights, string source, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        using var noGrad = no_grad();
        var ignored = weights.Keys.Where(name => name.StartsWith("loss.", StringComparison.Ordinal)).ToList();
        var net = new Net();
        try
        {
            WeightMatch.Copy(net.Tensors(), weights.Where(w => !ignored.Contains(w.Key)).ToDictionary(), source, "is it the KL-16 autoencoder?");
            net.to(dtype).to(device ?? CPU);
        }
        catch
        {
            net.Dispose();
            throw;
        }
        net.eval();
        return new(net, ignored);
    }

    /// <summary>
    /// Pictures (B, 3, H, W) in [-1, 1], H and W multiples of 16, to the moments of their <see cref="Posterior"/>: (B, 32, H/16, W/16).
    /// </summary>
    /// <param name="images">On any device, of any float type.</param>
    /// <param name="chunk">Pictures at a time, for memory only; by default as many as 2¹⁸ pixels hold.</param>
    /// <exception cref="ArgumentException">Pictures of another shape.</exception>
    public Tensor Encode(Tensor images, int? chunk = null)
    {
        if (images.dim() != 4 || images.shape[1] != 3 || images.shape[2] % Stride != 0 || images.shape[3] % Stride != 0 || images.numel() == 0)
            throw new ArgumentException($"pictures must be (B, 3, 16h, 16w), not ({string.Join(", ", images.shape)})", nameof(images));
        return Chunked(images, chunk, images.shape[2] * images.shape[3], net.Moments);
    }

    /// <summary>Latents (B, 16, h, w) as <see cref="Posterior"/> scales them to pictures (B, 3, 16h, 16w), in [-1, 1] up to overshoot.</summary>
    /// <param name="latents">On any device, of any float type.</param>
    /// <param name="chunk">Pictures at a time, for memory only; by default as many as 2¹⁸ pixels hold.</param>
    /// <exception cref="ArgumentException">Latents of another shape.</exception>
    public Tensor Decode(Tensor latents, int? chunk = null)
    {
        if (latents.dim() != 4 || latents.shape[1] != Channels || latents.numel() == 0)
            throw new ArgumentException($"latents must be (B, {Channels}, h, w), not ({string.Join(", ", latents.shape)})", nameof(latents));
        return Chunked(latents, chunk, latents.shape[2] * latents.shape[3] * Stride * Stride, z => net.Decode(z / Posterior.Scale));
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose() => net.Dispose();

    private Tensor Chunked(Tensor input, int? chunk, long pixels, Func<Tensor, Tensor> compute)
    {
        var size = chunk ?? Math.Max(1, ChunkPixels / pixels);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1, nameof(chunk));
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        List<Tensor> parts = [];
        foreach (var part in input.split(size))
        {
            using var inner = NewDisposeScope();
            parts.Add(compute(part.to(net.Place.dtype, net.Place.device)).MoveToOuterDisposeScope());
        }
        return (parts.Count == 1 ? parts[0] : cat(parts)).MoveToOuterDisposeScope();
    }

    /// <summary>The network under its published names.</summary>
    internal sealed class Net : Module
    {
        private const long Width = 128;                 // channels at full resolution
        private static readonly long[] Widths = [1 * Width, 1 * Width, 2 * Width, 2 * Width, 4 * Width];
        private const int Blocks = 2;

        private readonly Coder encoder, decoder;
        [ComponentName(Name = "quant_conv")] private readonly Conv2d quantize = Layers.Conv(2 * Channels, 2 * Channels, 1);
        [ComponentName(Name = "post_quant_conv")] private readonly Conv2d unquantize = Layers.Conv(Channels, Channels, 1);

        public Net() : base(nameof(Autoencoder))
        {
            (encoder, decoder) = (Coder.Encoder(Widths, Blocks, 2 * Channels), Coder.Decoder(Widths, Blocks + 1, Channels));
            RegisterComponents();
        }

        public Tensor Place => quantize.weight;

        public IReadOnlyList<(string Name, Tensor Value)> Tensors() => [.. state_dict().Select(w => (w.Key, w.Value))];

        public Tensor Moments(Tensor images) => quantize.call(encoder.call(images));

        public Tensor Decode(Tensor z) => decoder.call(unquantize.call(z));
    }

    /// <summary>Encoder or decoder: they differ in the order of levels and middle.</summary>
    internal sealed class Coder : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "conv_in")] private readonly Conv2d first;
        private readonly ModuleList<Level>? down, up;
        private readonly Middle mid;
        [ComponentName(Name = "norm_out")] private readonly GroupNorm norm;
        [ComponentName(Name = "conv_out")] private readonly Conv2d last;

        private Coder(Conv2d first, ModuleList<Level>? down, Middle mid, ModuleList<Level>? up, long width, long outputs) : base(nameof(Coder))
        {
            (this.first, this.down, this.mid, this.up) = (first, down, mid, up);
            (norm, last) = (Layers.Norm(width), Layers.Conv(width, outputs));
            RegisterComponents();
        }

        /// <summary>Attends at the lowest resolution only, whatever the picture's size (the published one is fixed to 16 × 16).</summary>
        public static Coder Encoder(long[] widths, int blocks, long outputs)
        {
            var levels = widths.Select((w, i) => new Level(widths[Math.Max(0, i - 1)], w, blocks, attention: i == widths.Length - 1, down: i < widths.Length - 1));
            return new(Layers.Conv(3, widths[0]), new(levels.ToArray()), new Middle(widths[^1]), null, widths[^1], outputs);
        }

        /// <summary>Level 0 is the full resolution here, too, so levels run from the last to the first.</summary>
        public static Coder Decoder(long[] widths, int blocks, long inputs)
        {
            var levels = widths.Select((w, i) => new Level(widths[Math.Min(widths.Length - 1, i + 1)], w, blocks, up: i > 0));
            return new(Layers.Conv(inputs, widths[^1]), null, new Middle(widths[^1]), new(levels.ToArray()), widths[0], 3);
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            x = first.call(x);
            foreach (var level in down ?? []) x = level.call(x);
            x = mid.call(x);
            for (var i = (up?.Count ?? 0) - 1; i >= 0; i--) x = up![i].call(x);
            return last.call(Layers.Activate(norm, x)).MoveToOuterDisposeScope();
        }
    }
}
