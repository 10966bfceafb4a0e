using JepaT.Lab;

namespace JepaT.Tests;

public sealed class SecretsTests
{
    [Theory]
    [InlineData("--tracking http://ann:pa55@mlflow.example:5000/x", "--tracking http://***@mlflow.example:5000/x")]
    [InlineData("https://ann:p@ss@host and http://b:c@d", "https://***@host and http://***@d")]
    [InlineData("http://host/a@b", "http://host/a@b")]
    [InlineData("mail to ann@example.org", "mail to ann@example.org")]
    [InlineData("http://token@host, https://a:b@c@d/e", "http://***@host, https://***@d/e")]
    [InlineData("{\"uri\":\"s3://key:secret@bucket/path\"}", "{\"uri\":\"s3://***@bucket/path\"}")]
    [InlineData("http://host?a@b http://host/a@b mail@host sqlite:///a@b", "http://host?a@b http://host/a@b mail@host sqlite:///a@b")]
    [InlineData("'http://ann:x@host'", "'http://***@host'")]
    public void Logins_in_addresses_are_hidden(string text, string hidden) => Assert.Equal(hidden, Secrets.Hide(text));

    [Fact]
    public void A_logged_command_line_holds_no_password() =>
        Assert.Equal("./lab train --tracking 'http://***@host:5000'", CommandLine.Of(["train", "--tracking", "http://ann:pa55@host:5000"]));
}
