namespace JepaT.Lab;

/// <summary>
/// AdamW with the published groups: vectors, biases and everything whose name holds one of <see cref="NoDecay"/> is exempt
/// from weight decay (reference, oddity 22). Build it after the model is loaded and moved to its device.
/// </summary>
internal sealed class AdamW : IDisposable
{
    /// <summary>Parts of a published name that exempt a parameter from weight decay.</summary>
    private static readonly string[] NoDecay =
    [
        "diffloss", "jepaloss", "buffer", "head", "class_emb", "fake_latent", "z_proj", "encoder_pos_embed_learned", "decoder_embed",
        "mask_token", "decoder_pos_embed_learned", "clip",
    ];

    private readonly Group plain, decayed;
    private readonly (double Beta1, double Beta2) betas;
    private readonly double eps;

    public AdamW(IEnumerable<(string Name, TorchSharp.Modules.Parameter Value)> parameters, double beta1 = 0.9, double beta2 = 0.95, double eps = 1e-8)
    {
        betas = (beta1, beta2);
        this.eps = eps;
        var all = parameters.ToLookup(p => IsDecayed(p.Name, p.Value));
        (plain, decayed) = (new Group(all[false]), new Group(all[true]));
    }

    /// <summary>Whether weight decay applies to a parameter of this published name.</summary>
    public static bool IsDecayed(string name, Tensor value) =>
        value.dim() > 1 && !name.EndsWith(".bias", StringComparison.Ordinal) && !NoDecay.Any(s => name.Contains(s, StringComparison.Ordinal));

    /// <summary>
    /// Clips the gradients' common norm, steps, and drops the gradients. Returns the norm before clipping; if it is not finite,
    /// no weight is changed.
    /// </summary>
    public double Step(double learningRate, double weightDecay, double clip)
    {
        using var scope = NewDisposeScope();
        var gradients = (Plain: plain.Gradients(), Decayed: decayed.Gradients());
        var norm = FusedOps.ClipGradNorm([.. gradients.Plain, .. gradients.Decayed], clip).ToDouble();
        if (!double.IsFinite(norm)) return norm;
        Update(plain, gradients.Plain, learningRate, 0);
        Update(decayed, gradients.Decayed, learningRate, weightDecay);
        plain.DropGradients();
        decayed.DropGradients();
        return norm;
    }

    /// <summary>Both moments and the step count, by published name: <c>exp_avg.NAME</c>, <c>exp_avg_sq.NAME</c>, <c>step.NAME</c>.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State() => plain.State().Concat(decayed.State());

    /// <summary>Copies a saved <see cref="State"/> back.</summary>
    /// <exception cref="UserException">A tensor is missing or has another shape or type.</exception>
    public void Load(IReadOnlyDictionary<string, Tensor> state, string source)
    {
        using var noGrad = no_grad();
        foreach (var (name, own) in State())
        {
            if (!state.TryGetValue(name, out var saved) || !saved.shape.SequenceEqual(own.shape) || saved.dtype != own.dtype)
                throw new UserException($"{source}: optimizer state {name} is missing or has another shape or type; it belongs to another experiment");
            own.copy_(saved);
        }
    }

    public void Dispose()
    {
        plain.Dispose();
        decayed.Dispose();
    }

    private void Update(Group g, Tensor[] gradients, double learningRate, double weightDecay) =>
        FusedOps.AdamW(g.Parameters, gradients, g.ExpAvg, g.ExpAvgSq, g.Steps, learningRate, betas.Beta1, betas.Beta2, weightDecay, eps);

    private sealed class Group : IDisposable
    {
        private readonly string[] names;

        public Group(IEnumerable<(string Name, TorchSharp.Modules.Parameter Value)> parameters)
        {
            var list = parameters.ToList();
            names = [.. list.Select(p => p.Name)];
            Parameters = [.. list.Select(p => p.Value)];
            ExpAvg = [.. Parameters.Select(p => zeros_like(p).DetachFromDisposeScope())];
            ExpAvgSq = [.. Parameters.Select(p => zeros_like(p).DetachFromDisposeScope())];
            Steps = [.. Parameters.Select(p => zeros([], device: p.device).DetachFromDisposeScope())];
        }

        public Tensor[] Parameters { get; }

        public Tensor[] ExpAvg { get; }

        public Tensor[] ExpAvgSq { get; }

        public Tensor[] Steps { get; }

        public Tensor[] Gradients() => [.. Parameters.Select((p, i) => p.grad ?? throw new InvalidOperationException($"{names[i]} has no gradient"))];

        public void DropGradients()
        {
            foreach (var p in Parameters) p.grad = null;
        }

        public IEnumerable<KeyValuePair<string, Tensor>> State()
        {
            for (var i = 0; i < names.Length; i++)
            {
                yield return new("exp_avg." + names[i], ExpAvg[i]);
                yield return new("exp_avg_sq." + names[i], ExpAvgSq[i]);
                yield return new("step." + names[i], Steps[i]);
            }
        }

        public void Dispose()
        {
            foreach (var t in (Tensor[])[.. ExpAvg, .. ExpAvgSq, .. Steps]) t.Dispose();
        }
    }
}
