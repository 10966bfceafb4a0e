using JepaT.Lab;
using JepaT.Model;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>
/// Nothing in the model is bound to the CPU or to float32: it runs in float64, where a tensor of another type is an error in every linear
/// layer, and each tensor that it makes names its device. (libtorch's meta device cannot stand in for a GPU: it has no LayerNorm.)
/// </summary>
public sealed class DeviceTests : IDisposable
{
    /// <summary>Makes tensors; those named ..._like take theirs from another tensor.</summary>
    private static readonly string[] Factories = ["tensor", "zeros", "ones", "empty", "full", "arange", "linspace", "rand", "randn", "randint", "randperm", "eye"];

    /// <summary>Members that make tensors on the CPU on purpose.</summary>
    private static readonly Dictionary<string, string> OnPurpose = new()
    {
        ["NormalCdf"] = "a number",
        ["InverseNormalCdf"] = "a number",
        ["Draw"] = "drawn on the CPU, so that a seed means the same on every device, then moved",
        ["forward"] = "Recompute's seed",
        ["Sample"] = "scalars, which libtorch takes with any device",
    };

    private readonly DisposeScope scope = NewDisposeScope();

    public DeviceTests() => set_num_threads(1);

    public void Dispose() => scope.Dispose();

    public static TheoryData<HeadKind, TextForm, double> Kinds => new()
    {
        { HeadKind.Flow, TextForm.Pooled, 0 }, { HeadKind.Flow, TextForm.Tokens, 0.1 }, { HeadKind.Gauss, TextForm.Pooled, 0.1 }, { HeadKind.Gauss, TextForm.Tokens, 0 },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_training_step_keeps_its_type(HeadKind head, TextForm text, double dropout)
    {
        var losses = Losses(Config(head, text, dropout), CPU, float64);

        Assert.Equal((float64, float64), (losses.Flow.dtype, losses.Jepa.dtype));
        Assert.True(double.IsFinite(losses.Flow.ToDouble() + losses.Jepa.ToDouble()));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Sampling_keeps_its_type(HeadKind head, TextForm text, double dropout)
    {
        var config = Config(head, text, dropout);
        using var noGrad = no_grad();
        using var model = new JepaModel(config);
        model.to(float64);
        model.eval();
        var sampling = new SamplingConfig { Iterations = 2, OdeSteps = 2, GaussSpacing = "3", Guidance = 2 };
        var draws = Sampler.Draw(model, [1, 2], sampling);
        draws = draws with { Noise = draws.Noise.to(float64), StepNoise = draws.StepNoise.to(float64) };

        foreach (var step in Sampler.Steps(model, Text(config, CPU, float64), draws, sampling))
            using (step) Assert.Equal(float64, step.Tokens.dtype);
    }

    [Fact]
    public void Every_tensor_that_the_model_makes_names_its_device()
    {
        var without = from file in Directory.EnumerateFiles(Path.Combine(ConventionsTests.Root, "src", "JepaT.Model"), "*.cs", SearchOption.AllDirectories)
                      from call in CSharpSyntaxTree.ParseText(File.ReadAllText(file)).GetRoot().DescendantNodes().OfType<InvocationExpressionSyntax>()
                      where call.Expression is IdentifierNameSyntax { Identifier.Text: { } name } && Factories.Contains(name)
                      where !call.ArgumentList.ToString().Contains("evice", StringComparison.Ordinal)
                      let member = call.Ancestors().OfType<MethodDeclarationSyntax>().FirstOrDefault()?.Identifier.Text ?? ""
                      where !OnPurpose.ContainsKey(member)
                      select $"{Path.GetFileName(file)}, {member}: {call}";

        Assert.Empty(without);
    }

    private static ModelConfig Config(HeadKind head, TextForm text, double dropout) =>
        JepaModelTests.Small with { Head = head, Text = text, AttentionDropout = dropout, ProjectionDropout = dropout };

    private static TextFeatures Text(ModelConfig config, Device device, ScalarType type) => config.Text == TextForm.Tokens
        ? new TextFeatures(randn(2, config.TextDim).to(type, device), randn(2, 3, config.TextDim).to(type, device), ones(2, 3, dtype: ScalarType.Bool).to(device))
        : randn(2, config.TextDim).to(type, device);

    private static Losses Losses(ModelConfig config, Device device, ScalarType type)
    {
        using var g = new Generator(0);
        using var model = new JepaModel(config);
        model.to(type).to(device);
        model.train();
        var draws = Batches.Draw(config, 2, 0.7, 0.1, g, device);
        draws = draws with { Time = draws.Time.to(type), Noise = draws.Noise.to(type) };
        var images = randn(2, config.Channels, config.ImageSize, config.ImageSize).to(type, device);
        var text = Text(config, device, type);
        var targets = model.TargetFeatures(images, text, Masking.First(draws.Orders, draws.MaskedCount));
        return model.Loss(images, text, draws, targets);
    }
}
