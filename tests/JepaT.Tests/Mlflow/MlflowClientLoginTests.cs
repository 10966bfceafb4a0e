using JepaT.Lab;

namespace JepaT.Tests;

public class MlflowClientLoginTests
{
    [Fact]
    public async Task A_real_server_with_a_login_takes_the_right_one_only()
    {
        var cancel = TestContext.Current.CancellationToken;
        var folder = Directory.CreateTempSubdirectory("mlflow-login").FullName;
        Environment.SetEnvironmentVariable("MLFLOW_FLASK_SERVER_SECRET_KEY", "only for this test");
        Environment.SetEnvironmentVariable("MLFLOW_AUTH_ADMIN_PASSWORD", "a long pass:word/1");
        try
        {
            using var server = MlflowServer.Start(folder, "--app-name", "basic-auth");
            var none = new MlflowOptions { TrackingUri = server.Address };
            using var http = none.CreateHttpClient();
            async Task<string> Name(MlflowOptions options) =>
                (await new MlflowClient(http, options, TimeProvider.System).GetExperimentAsync("0", cancel)).Name;
            foreach (var wrong in new[] { none, none with { Username = "admin", Password = "wrong" }, none with { Token = "unknown" } })
                Assert.Equal(System.Net.HttpStatusCode.Unauthorized, (await Assert.ThrowsAsync<MlflowException>(() => Name(wrong))).StatusCode);
            Assert.True(await new MlflowClient(http, none, TimeProvider.System).IsHealthyAsync(cancel));
            Assert.Equal("Default", await Name(none with { Username = "admin", Password = "a long pass:word/1" }));
            var inUri = new Uri($"http://admin:{Uri.EscapeDataString("a long pass:word/1")}@{server.Address.Authority}");
            Assert.Equal("Default", await Name(new MlflowOptions { TrackingUri = inUri, Token = "unknown" }));
        }
        finally
        {
            Environment.SetEnvironmentVariable("MLFLOW_FLASK_SERVER_SECRET_KEY", null);
            Environment.SetEnvironmentVariable("MLFLOW_AUTH_ADMIN_PASSWORD", null);
            Directory.Delete(folder, recursive: true);
        }
    }
}
