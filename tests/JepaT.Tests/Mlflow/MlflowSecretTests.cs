using System.Net;
using System.Text;
using System.Text.Json;
using JepaT.Lab;
using static JepaT.Tests.FakeMlflow;

namespace JepaT.Tests;

/// <summary>Logins: where they are read, and that no text shows them.</summary>
public class MlflowSecretTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Random_secrets_are_in_no_error_however_they_are_echoed()
    {
        var random = new Random(7);
        string Secret() => string.Concat(Enumerable.Range(0, random.Next(8, 30)).Select(_ => (char)random.Next('!', '~' + 1)));
        for (var i = 0; i < 40; i++)
        {
            string[] raw = [Secret(), Secret(), Secret()];
            var options = i % 2 == 0
                ? new MlflowOptions { TrackingUri = new($"http://{Uri.EscapeDataString(raw[0])}:{Uri.EscapeDataString(raw[1])}@h/"), Token = raw[2], MaxRetries = 0 }
                : new MlflowOptions { TrackingUri = new("http://h/"), Username = raw[0], Password = raw[1], Token = raw[2], MaxRetries = 0 };
            var login = options.Authorization()!.Split(' ')[1];
            foreach (var echo in raw.Append(login).SelectMany(s => new[] { s, Uri.EscapeDataString(s), WebUtility.HtmlEncode(s), s.Insert(4, "<b>") }))
            {
                foreach (var answer in new[] { Page(echo), Page("you sent " + echo, 418),
                    Json(JsonSerializer.Serialize(new { error_code = echo, message = echo }), 400), Redirect(echo) })
                {
                    using (answer)
                    {
                        var error = await Assert.ThrowsAsync<MlflowException>(() => new FakeMlflow((_, _) => answer).Client(options).DeleteRunAsync("r", Cancel));
                        foreach (var secret in raw.Append(login))
                        {
                            Assert.DoesNotContain(secret, error + error.ErrorCode + options + options.TrackingUri, StringComparison.Ordinal);
                            Assert.DoesNotContain(Uri.EscapeDataString(secret), error + error.ErrorCode, StringComparison.Ordinal);
                        }
                    }
                }
            }
        }

        static HttpResponseMessage Redirect(string echo)
        {
            var answer = Page("", 302);
            answer.Headers.Location = new Uri("http://" + Uri.EscapeDataString(echo) + ":x@elsewhere.test/" + Uri.EscapeDataString(echo));
            return answer;
        }
    }

    [Fact]
    public async Task A_short_secret_does_not_garble_other_words()
    {
        var options = new MlflowOptions { TrackingUri = new("http://h/"), Username = "e", Password = "a" };
        async Task<string> Says(string message) =>
            (await Assert.ThrowsAsync<MlflowException>(() => new FakeMlflow((_, _) => Json(JsonSerializer.Serialize(new { error_code = "BAD_REQUEST", message }), 400))
                .Client(options).DeleteRunAsync("r", Cancel))).Message;
        Assert.EndsWith("the learning rate has changed", await Says("the learning rate has changed"), StringComparison.Ordinal);
        Assert.DoesNotContain("password: a", await Says("password: a"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_credentials_file_stands_behind_the_variables()
    {
        const string Text = "[DEFAULT]\nmlflow_tracking_password = behind\n; note\n[other]\nmlflow_tracking_username = no\n"
            + "[mlflow]\nMLFLOW_TRACKING_USERNAME: me\nmlflow_tracking_password = p%%w = 1\n";
        static string? Login(string text, params (string, string)[] set) => MlflowOptions.FromEnvironment(
            name => name == "HOME" ? "at-home" : set.FirstOrDefault(pair => pair.Item1 == name).Item2, "http://h",
            path => path == Path.Combine("at-home", ".mlflow", "credentials") ? text : null).Authorization();
        static string Basic(string login) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(login));
        Assert.Equal(Basic("me:p%w = 1"), Login(Text));
        Assert.Equal(Basic("you:p%w = 1"), Login(Text, ("MLFLOW_TRACKING_USERNAME", "you"), ("MLFLOW_TRACKING_TOKEN", "t")));
        Assert.Equal("Bearer t", Login("[x]\na = b", ("MLFLOW_TRACKING_TOKEN", "t")));
        var error = Assert.Throws<MlflowException>(() => Login("hunter22"));
        Assert.Contains("credentials", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter22", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("TRUE", true)]
    [InlineData("1", true)]
    [InlineData("False", false)]
    [InlineData("0", false)]
    [InlineData("", false)]
    [InlineData("yes", null)]
    [InlineData(" true", null)]
    public void A_boolean_is_read_as_python_does(string text, bool? expected)
    {
        MlflowOptions Read() => MlflowOptions.FromEnvironment(name => name == "MLFLOW_TRACKING_INSECURE_TLS" ? text : null, "http://h");
        if (expected is { } value) Assert.Equal(value, Read().InsecureTls);
        else Assert.Equal("MLFLOW_TRACKING_INSECURE_TLS must be true, false, 1 or 0", Assert.Throws<MlflowException>(Read).Message);
    }

    [Theory]
    [InlineData("admin:hunter22@h")]
    [InlineData("sqlite://admin:hunter22@h/x")]
    [InlineData("hunter22 at h")]
    public void A_wrong_address_is_refused_without_repeating_it(string uri)
    {
        var error = Assert.Throws<MlflowException>(() => MlflowOptions.FromEnvironment(_ => null, uri));
        Assert.DoesNotContain("hunter22", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("admin", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_login_of_one_address_is_not_taken_to_another()
    {
        var options = new MlflowOptions { TrackingUri = new("http://me:pw@h/") };
        Assert.NotNull(options.Authorization());
        Assert.Null((options with { TrackingUri = new("http://other/") }).Authorization());
        Assert.Null(new MlflowOptions { TrackingUri = new("http://me@h/") }.Authorization());
    }

    [Theory]
    [InlineData("MLFLOW_TRACKING_SERVER_CERT_PATH")]
    [InlineData("MLFLOW_TRACKING_CLIENT_CERT_PATH")]
    public void A_certificate_that_cannot_be_read_names_its_variable(string variable)
    {
        var options = MlflowOptions.FromEnvironment(name => name == variable ? "no/such.pem" : null, "https://h");
        Assert.StartsWith(variable + ": no/such.pem", Assert.Throws<MlflowException>(options.CreateHttpClient).Message, StringComparison.Ordinal);
    }
}
