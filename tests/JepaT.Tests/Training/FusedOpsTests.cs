using JepaT.Lab;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class FusedOpsTests
{
    /// <summary>A call whose numbers the collector freed reads other memory: it dies in native code, or takes a wrong rate in silence.</summary>
    [Fact]
    public void Numbers_survive_garbage_collection_during_the_call()
    {
        using var scope = NewDisposeScope();
        Tensor[] target = [zeros(4)], source = [ones(4)];
        using var ended = new ManualResetEventSlim();
        var collector = new Thread(() =>
        {
            while (!ended.IsSet)
            {
                for (var i = 0; i < 200; i++) using (0.125.ToScalar()) { }     // takes the memory of a freed number at once
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        collector.Start();
        try
        {
            for (var i = 0; i < 20_000; i++)
            {
                using var call = NewDisposeScope();
                target[0].zero_();
                FusedOps.Lerp(target, source, 0.25);
                Assert.Equal(0.25f, target[0][0].item<float>());
            }
        }
        finally
        {
            ended.Set();
            collector.Join();
        }
    }
}
