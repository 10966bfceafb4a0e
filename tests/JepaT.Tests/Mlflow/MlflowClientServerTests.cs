using JepaT.Lab;

namespace JepaT.Tests;

public class MlflowClientServerTests
{
    [Fact]
    public async Task Every_call_works_on_a_real_server()
    {
        var cancel = TestContext.Current.CancellationToken;
        var folder = Directory.CreateTempSubdirectory("mlflow-client").FullName;
        try
        {
            using var server = MlflowServer.Start(folder);
            var options = new MlflowOptions { TrackingUri = server.Address };
            using var http = options.CreateHttpClient();
            var client = new MlflowClient(http, options with { MultipartFrom = 100 }, TimeProvider.System);
            Assert.True(await client.IsHealthyAsync(cancel));
            Assert.Matches(@"^\d+\.\d+", await client.GetVersionAsync(cancel));
            Assert.NotNull(await client.GetServerInfoAsync(cancel));

            var experiment = await client.CreateExperimentAsync("first", tags: [new("a", "b")], cancel: cancel);
            Assert.Equal("RESOURCE_ALREADY_EXISTS", (await Assert.ThrowsAsync<MlflowException>(() => client.CreateExperimentAsync("first", cancel: cancel))).ErrorCode);
            await client.RenameExperimentAsync(experiment, "second", cancel);
            Assert.Null(await client.GetExperimentByNameAsync("first", cancel));
            await client.SetExperimentTagAsync(experiment, "k", "v", cancel);
            await client.SetExperimentNoteAsync(experiment, "note", cancel);
            await client.DeleteExperimentTagAsync(experiment, "k", cancel);
            await client.DeleteExperimentAsync(experiment, cancel);
            Assert.True((await client.GetExperimentAsync(experiment, cancel)).Deleted);
            await client.RestoreExperimentAsync(experiment, cancel);
            Assert.Equal(2, await client.SearchExperimentsAsync(pageSize: 1, cancel: cancel).CountAsync(cancel));

            var wanted = new MlflowNewRun(experiment, "run", 1000);
            var run = await client.CreateRunAsync(wanted, cancel);
            await client.CreateRunAsync(new MlflowNewRun(experiment, "other", 2000), cancel);
            Assert.Equal(run.Info.RunId, (await client.FindCreatedAsync(wanted, cancel))!.Info.RunId);
            var id = run.Info.RunId;
            await client.LogMetricAsync(id, new("loss", double.NaN, 5, 9007199254740993), cancel);
            await client.LogBatchAsync(id, [new("m", 1, 1, 1), new("m", 2, 2, 2), new("m", 3, 3, 3)], [new("p", "1")], [new("t", "x")], cancel);
            await client.LogParamAsync(id, "q", "", cancel);
            Assert.Equal("INVALID_PARAMETER_VALUE", (await Assert.ThrowsAsync<MlflowException>(() => client.LogParamAsync(id, "q", "2", cancel))).ErrorCode);
            await client.SetTagAsync(id, "t2", "y", cancel);
            await client.DeleteTagAsync(id, "t2", cancel);
            await client.SetRunNoteAsync(id, "*note*", cancel);
            await client.LogInputsAsync(id, [new(new("set", "0a1b2c3d", "local", "{}")) { Tags = [new("mlflow.data.context", "training")] }], cancel);
            var points = await client.GetMetricHistoryAsync(id, "m", 2, cancel).Select(m => m.Value).ToArrayAsync(cancel);
            Assert.Equal([1.0, 2.0, 3.0], points);
            Assert.Equal(2, await client.SearchRunsAsync([experiment], pageSize: 1, cancel: cancel).CountAsync(cancel));
            Assert.Equal(id, (await client.SearchRunsAsync([experiment], "params.p = '1'", cancel: cancel).SingleAsync(cancel)).Info.RunId);

            Assert.Equal(7, (await client.UpdateRunAsync(id, MlflowRunStatus.Failed, 7, "named", cancel)).EndTime);
            await client.ResumeRunAsync(id, cancel);
            await client.DeleteRunAsync(id, cancel);
            Assert.True((await client.GetRunAsync(id, cancel)).Info.Deleted);
            await client.RestoreRunAsync(id, cancel);

            foreach (var name in new[] { "a b+~:?;*ü.txt", "deep/er/big.bin" })
            {
                var bytes = new byte[3_000_000];
                new Random(1).NextBytes(bytes);
                await client.UploadArtifactAsync(run.Info.ArtifactUri, name, new MemoryStream(bytes), cancel);
                Assert.Equal(bytes, await File.ReadAllBytesAsync(await client.DownloadArtifactAsync(run.Info.ArtifactUri, name, Path.Combine(folder, "down"), cancel), cancel));
            }
            Assert.Equal("deep/er/big.bin", Assert.Single(await client.ListArtifactsAsync(id, "deep/er", cancel)).Path);
            await client.DeleteArtifactAsync(run.Info.ArtifactUri, "deep/er/big.bin", cancel);
            Assert.Equal("RESOURCE_DOES_NOT_EXIST", (await Assert.ThrowsAsync<MlflowException>(() =>
                client.OpenArtifactAsync(run.Info.ArtifactUri, "deep/er/big.bin", cancel))).ErrorCode);
            await client.LogImageAsync(run.Info, "train/samples", 3, 5, new byte[] { 1 }, new byte[] { 2 }, cancel: cancel);
            Assert.Equal(2, (await client.ListArtifactsAsync(id, "images", cancel)).Count);
            await client.LogTableAsync(run.Info, "table.json", ["a", "b"], [["x", 1.5], [null, double.NaN]], cancel);

            var read = await client.GetRunAsync(id, cancel);
            Assert.Equal(("named", MlflowRunStatus.Running), (read.Info.RunName, read.Info.Status));
            Assert.True(read.Info.EndTime is null or 0);
            Assert.Equal(9007199254740993, read.Data.Metrics.Single(m => m.Key == "loss").Step);
            Assert.Equal("set", Assert.Single(read.Inputs.DatasetInputs).Dataset.Name);
            Assert.Contains("table.json", read.Data.Tags.Single(t => t.Key == "mlflow.loggedArtifacts").Value, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
