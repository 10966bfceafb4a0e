using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public class MlflowRulesTests
{
    public static TheoryData<string> GoodKeys => ["train/loss", "eval/ema/fid 1", "a:b", "é", "中.文", "a-b_c", "Ⅷ½", new string('k', 250)];

    public static TheoryData<string> BadKeys =>
        ["", "a//b", "../a", "..a", "a/", "/a", "./a", "a/./b", "a/../b", ".", "..", "a#b", "a@b", "a,b", "a\\b", "a\nb", new string('k', 251)];

    [Theory]
    [MemberData(nameof(GoodKeys))]
    public void A_key_that_the_server_takes_is_taken(string key) => MlflowRules.CheckKey("metric", key);

    [Theory]
    [MemberData(nameof(BadKeys))]
    public void A_key_that_the_server_refuses_is_refused_in_one_line(string key)
    {
        var e = Assert.Throws<UserException>(() => MlflowRules.CheckKey("metric", key));

        Assert.Contains("metric", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_batch_may_have_a_thousand_metrics_and_a_hundred_params_but_not_more()
    {
        Check(1000, 0, 0);
        Check(800, 100, 100);
        Assert.Throws<UserException>(() => Check(1001, 0, 0));
        Assert.Throws<UserException>(() => Check(0, 101, 0));
        Assert.Throws<UserException>(() => Check(0, 0, 101));
        Assert.Throws<UserException>(() => Check(801, 100, 100));

        static void Check(int metrics, int parameters, int tags) => MlflowRules.CheckBatch(
            [.. Enumerable.Range(0, metrics).Select(i => new Metric("m", i, 0, i))], Pairs(parameters), Pairs(tags));
        static KeyValuePair<string, string>[] Pairs(int n) => [.. Enumerable.Range(0, n).Select(i => KeyValuePair.Create($"k{i}", "v"))];
    }

    [Fact]
    public void A_batch_with_a_param_twice_or_a_negative_time_is_refused()
    {
        Assert.Throws<UserException>(() => MlflowRules.CheckBatch([], [new("a", "1"), new("a", "1")], []));
        Assert.Throws<UserException>(() => MlflowRules.CheckBatch([new Metric("m", 1, -1, 0)], [], []));
    }

    [Theory]
    [InlineData("train/samples", true)]
    [InlineData("a b.c_d-e", true)]
    [InlineData("a+b", false)]
    [InlineData("a%b", false)]
    [InlineData("é", false)]
    [InlineData("a:b", false)]
    public void An_image_key_must_fit_into_a_file_name(string key, bool good)
    {
        if (good) MlflowRules.CheckImageKey(key);
        else Assert.Throws<UserException>(() => MlflowRules.CheckImageKey(key));
    }

    [Theory]
    [InlineData("report.html", true)]
    [InlineData("plots/a name with spaces & ü.html", true)]
    [InlineData("images/train~samples+step+0+timestamp+17+abc-1.png", true)]
    [InlineData("images/train~samples+step+0+timestamp+17+abc-1+compressed.webp", true)]
    [InlineData("images/more/README", true)]
    [InlineData("images/README", false)]
    [InlineData("images/x.png", false)]
    [InlineData("", false)]
    [InlineData("a#b", false)]
    [InlineData("a%b", false)]
    [InlineData("../a", false)]
    [InlineData("a/../../b", false)]
    [InlineData("/etc/passwd", false)]
    [InlineData("a/", false)]
    [InlineData("a\\b", false)]
    public void An_artifact_path_that_the_server_could_not_serve_or_that_hides_pictures_is_refused(string path, bool good)
    {
        if (good) MlflowRules.CheckArtifactPath(path);
        else Assert.Throws<UserException>(() => MlflowRules.CheckArtifactPath(path));
    }

    [Fact]
    public void Cutting_counts_characters_and_leaves_pairs_whole()
    {
        Assert.Equal("ab", MlflowRules.Cut("ab", 2));
        Assert.Equal("ab", MlflowRules.Cut("abc", 2));
        Assert.Equal("😀😀", MlflowRules.Cut("😀😀😀", 2));
        Assert.Equal(6000, MlflowRules.Cut(new string('v', 6001), MlflowRules.MaxParamValue).Length);
    }

    [Theory]
    [InlineData(true, "True")]
    [InlineData(null, "None")]
    [InlineData("text", "text")]
    [InlineData(42, "42")]
    [InlineData(0.001, "0.001")]
    [InlineData(1e-5, "1e-05")]
    [InlineData(1.0, "1.0")]
    [InlineData(1e15, "1000000000000000.0")]
    [InlineData(1e16, "1e+16")]
    [InlineData(-12345678901234568.0, "-1.2345678901234568e+16")]
    [InlineData(1.5e22, "1.5e+22")]
    [InlineData(1e9f, "1000000000.0")]
    [InlineData(double.NaN, "nan")]
    [InlineData(double.NegativeInfinity, "-inf")]
    [InlineData(0.1f, "0.1")]
    [InlineData(1e7f, "10000000.0")]
    [InlineData(new[] { 1, 2 }, "[1, 2]")]
    [InlineData(new[] { "a", "b" }, "['a', 'b']")]
    [InlineData(RunStatus.Finished, "finished")]
    [InlineData(StringComparison.OrdinalIgnoreCase, "ordinal-ignore-case")]
    public void A_param_is_written_as_Python_writes_it(object? value, string text) => Assert.Equal(text, ParamText.Of(value));
}
