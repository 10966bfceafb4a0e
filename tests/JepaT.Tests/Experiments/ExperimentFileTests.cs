using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class ExperimentFileTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void A_file_lists_only_what_differs_from_the_one_it_extends()
    {
        Write("base.yaml", "name: base\ntraining:\n  steps: 50\n  batch_size: 8\n");
        var path = Write("child.yaml", "extends: base.yaml\nfusion: late\ntraining:\n  steps: 70\n");

        var experiment = ExperimentFile.Load(path, ["sampling.guidance=2.5", "errata.unscaled_time=true"]);

        Assert.Equal(("base", 70, 8, 2.5), (experiment.Name, experiment.Training.Steps, experiment.Training.BatchSize, experiment.Sampling.Guidance));
        Assert.Equal(Fusion.Parse("late"), experiment.Fusion);
        Assert.Equal(Errata.Corrected with { UnscaledTime = true }, experiment.Errata);
    }

    [Fact]
    public void What_is_written_reads_back_equal()
    {
        var experiment = ExperimentFile.Load(Write("a.yaml", "name: a\nfusion: {text_in_encoder: false, text_in_predictor: true}\nerrata: published\nablation:\n  presets: [none, full]\n  seeds: 3\ntraining:\n  learning_rate: 1e-5\n  base_learning_rate: 1e-4\n  precision: bf16\n"));

        var again = ExperimentFile.Parse(ExperimentFile.ToYaml(experiment), "text");

        Assert.Equal(ExperimentFile.ToYaml(experiment), ExperimentFile.ToYaml(again));
        Assert.Equal(experiment.Fusion, again.Fusion);
        Assert.Equal(experiment.Training, again.Training);
        Assert.Equal(experiment.Ablation.Presets, again.Ablation.Presets);
    }

    [Theory]
    [InlineData("trainig:\n  steps: 5\n", "a.yaml:2: unknown key 'trainig.steps'; the nearest known one is 'training.steps'")]
    [InlineData("training:\n  steps: many\n", "a.yaml:2: training.steps is 'many'; it must be a whole number")]
    [InlineData("training:\n  steps: 0\n", "training.steps is 0; it must be at least 1")]
    [InlineData("model:\n  dim: 1000000000\n", "model.dim is 1000000000; it must be at most 16384")]
    [InlineData("training:\n  steps: 2000000000\n", "training.steps is 2000000000; it must be at most 100000000")]
    [InlineData("training:\n  learning_rate: .inf\n", "training.learning_rate is '.inf'; it must be a number")]
    [InlineData("training:\n  learning_rate: NaN\n", "training.learning_rate is NaN; it must lie between 0 and 10")]
    [InlineData("training:\n  clip_norm: Infinity\n", "training.clip_norm is Infinity; it must be above 0")]
    [InlineData("training:\n  flow_weight: 0\n  jepa_weight: 0\n", "nothing would be learned")]
    [InlineData("training:\n  learning_rate: 1e-4\n  minimum_learning_rate: 1e-3\n", "training.minimum_learning_rate 0.001 must not be above")]
    [InlineData("evaluation:\n  batch_size: 100000000\n", "evaluation.batch_size is 100000000; it must be at most 10000")]
    [InlineData("sampling:\n  guidance: 1e30\n", "sampling.guidance is 1E+30; it must lie between 0 and 100")]
    [InlineData("sampling:\n  ode_steps: 1000000000\n", "sampling.ode_steps is 1000000000; it must lie between 1 and 10000")]
    [InlineData("sampling:\n  time_shift: 1e-300\n", "sampling.time_shift is 1E-300; it must lie between 0.01 and 100")]
    [InlineData("sampling:\n  temperature: 11\n", "sampling.temperature is 11; it must lie between 0 and 10")]
    [InlineData("sampling:\n  gauss_spacing: ''\n", "sampling.gauss_spacing is empty; write e.g. 100")]
    [InlineData("sampling:\n  gauss_spacing: ddim600\n", "sampling.gauss_spacing 'ddim600' cannot be made")]
    [InlineData("sampling:\n  gauss_spacing: many\n", "sampling.gauss_spacing 'many' is no list of step counts")]
    [InlineData("model:\n  head: gaussian\n", "a.yaml:2: model.head is 'gaussian'; it must be one of flow, gauss")]
    [InlineData("text: words\n", "a.yaml:1: text is 'words'; it must be one of pooled, tokens")]
    [InlineData("ablation:\n  seeds: 2000000000\n", "ablation.seeds is 2000000000; it must be at most 1000")]
    [InlineData("name: ..\n", "name '..' cannot be the name of a folder")]
    [InlineData("device: ''\n", "device is empty")]
    [InlineData("sampling:\n  iterations: 1000\n", "sampling.iterations is 1000, but an image has only 49 tokens")]
    [InlineData("fusion: early\n", "unknown fusion 'early'; known are none, late")]
    [InlineData("training:\n  schedule: steps\n", "it must be one of constant, cosine")]
    [InlineData("model:\n  patch_size: 5\n", "model.patch_size 5 does not divide the image's 28 pixels")]
    [InlineData("model:\n  image_size: 32\n", "unknown key 'model.image_size'")]
    [InlineData("training: 5\n", "training must be a mapping")]
    [InlineData("a: [1\n", "not valid YAML")]
    [InlineData("extends: nowhere.yaml\n", "nowhere.yaml: cannot read")]
    [InlineData("extends: a.yaml\n", "extends itself")]
    public void A_mistake_is_named(string yaml, string message)
    {
        var path = Write("a.yaml", yaml);

        var error = Assert.Throws<UserException>(() => ExperimentFile.Load(path));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void An_override_must_be_a_known_key_with_a_value()
    {
        var path = Write("a.yaml", "name: a\n");

        Assert.Contains("write key=value", Assert.Throws<UserException>(() => ExperimentFile.Load(path, ["training.steps"])).Message, StringComparison.Ordinal);
        Assert.Contains("--set: unknown key", Assert.Throws<UserException>(() => ExperimentFile.Load(path, ["training.step=1"])).Message, StringComparison.Ordinal);
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
