using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class NotebookParameterTests
{
    [Fact]
    public void The_environment_comes_before_the_default()
    {
        Assert.Equal(5, Read("steps", 200, "JEPAT_STEPS", "5"));
        Assert.Equal(200, Read("steps", 200, "OTHER", "5"));
        Assert.Equal("a \"red\" <bag>", Read("prompt", "a dress", "JEPAT_PROMPT", "a \"red\" <bag>"));
        Assert.Equal(0.5, Read("guidanceScale", 3.0, "JEPAT_GUIDANCE_SCALE", "0.5"));
        Assert.True(Read("live", false, "JEPAT_LIVE", "True"));
        Assert.Equal(-7L, Read("seed", 1L, "JEPAT_SEED", "-7"));
    }

    [Theory]
    [InlineData("5.5", "a whole number")]
    [InlineData("1,000", "a whole number")]
    [InlineData("", "a whole number")]
    public void A_value_of_another_type_is_refused_with_name_value_and_example(string text, string wanted)
    {
        var error = Assert.Throws<UserException>(() => Read("steps", 200, "JEPAT_STEPS", text));

        Assert.Equal($"JEPAT_STEPS is '{text}': parameter 'steps' must be {wanted}, such as 200", error.Message);
    }

    [Fact]
    public void A_comma_is_no_decimal_point_and_true_is_no_number()
    {
        Assert.Throws<UserException>(() => Read("rate", 0.1, "JEPAT_RATE", "0,5"));
        Assert.Throws<UserException>(() => Read("live", true, "JEPAT_LIVE", "yes"));
    }

    [Theory]
    [InlineData("two words")]
    [InlineData("")]
    [InlineData("home")]
    [InlineData("budget")]
    public void A_name_that_no_variable_can_have_or_that_means_something_else_is_refused(string name) =>
        Assert.Throws<UserException>(() => Read(name, 1, "", ""));

    private static T Read<T>(string name, T fallback, string variable, string value) =>
        NotebookParameter.Read(name, fallback, v => v == variable ? value : null);
}
