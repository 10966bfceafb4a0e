using System.Diagnostics;
using JepaT.Notebooks;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace JepaT.Tests;

/// <summary>Whatever a cell does, an interrupt ends it soon, and the session goes on with its variables.</summary>
public sealed class InterruptTests : IAsyncDisposable
{
    private readonly TestSession cells = new();

    public ValueTask DisposeAsync() => cells.DisposeAsync();

    [Theory]
    [InlineData("while (true) { }")]
    [InlineData("while (true) ;")]
    [InlineData("for (;;) n++;")]
    [InlineData("do n++; while (true);")]
    [InlineData("foreach (var i in Forever()) n++; IEnumerable<int> Forever() { while (true) yield return 1; }")]
    [InlineData("await foreach (var i in Forever()) ; async IAsyncEnumerable<int> Forever() { while (true) yield return 1; }")]
    [InlineData("void Spin() { while (true) n++; }\nSpin();")]
    [InlineData("int Fib(int k) => k < 2 ? k : Fib(k - 1) + Fib(k - 2);\nFib(90)")]
    [InlineData("Func<int> f = () => { again: goto again; };\nf()")]
    [InlineData("Enumerable.Range(0, int.MaxValue).Count(i => { return i < 0; })")]
    [InlineData("Enumerable.Range(0, int.MaxValue).Where(i => i < 0).Count()")]
    [InlineData("(from i in Enumerable.Range(0, int.MaxValue) let j = i where j < 0 select i).Count()")]
    [InlineData("class T { public int Left => Right; int Right { get => this[1]; } int this[int i] => i < 0 ? i : Enumerable.Repeat(0, int.MaxValue).Max(_ => Low); static int Low => 0; }\nnew T().Left")]
    [InlineData("var t = new System.Threading.Thread(() => { while (true) n++; }); t.Start(); t.Join();")]
    [InlineData("while (true) { try { while (true) n++; } catch { } }")]
    [InlineData("while (true) { try { await Task.Delay(10); } catch (Exception) { } }")]
    [InlineData("while (true) { try { System.Threading.Thread.Sleep(60_000); } catch { } }")]
    [InlineData("try { while (true) { } } finally { n = 43; }")]
    [InlineData("while (true) Console.WriteLine(n++);")]
    [InlineData("System.Threading.Thread.Sleep(60_000);")]
    [InlineData("await Task.Delay(60_000);")]
    [InlineData("Task.Delay(60_000).Wait();")]
    [InlineData("new System.Threading.ManualResetEvent(false).WaitOne();")]
    [InlineData("lock (typeof(string)) System.Threading.Monitor.Wait(typeof(string));")]
    [InlineData("await Task.Delay(10).ConfigureAwait(false); while (true) { }")]
    [InlineData("await Task.Run(() => { while (true) n++; });")]
    [InlineData("Task.Run(() => { while (true) n++; }).Wait();")]
    [InlineData("var t = new System.Threading.Thread(() => { while (true) n++; }); t.Start(); t.Join(); while (true) { }")]
    [InlineData("Parallel.For(0, 4, i => { while (true) { } });")]
    [InlineData("await Task.Delay(System.Threading.Timeout.Infinite, JepaT.Lab.Notebook.Stop);")]
    [InlineData("JepaT.Lab.Notebook.Stop.WaitHandle.WaitOne(); while (true) { }")]
    public async Task A_cell_ends_within_a_second(string code)
    {
        await cells.ValueAsync("var n = 42L;");
        var run = cells.RunAsync("Console.WriteLine(\"it runs\");\n" + code);
        await cells.WaitForAsync("it runs");
        await Task.Delay(50, TestContext.Current.CancellationToken);

        var since = Stopwatch.GetTimestamp();
        cells.Session.Interrupt();
        var result = await run;
        var took = Stopwatch.GetElapsedTime(since);

        Assert.True(result.Interrupted);
        Assert.Equal("Interrupted", result.Error?.Name);
        Assert.True(took < TimeSpan.FromSeconds(1.5), $"{took}");        // half a second of it for a machine that is busy
        Assert.Equal("43", await cells.ValueAsync("var after = 1; n >= 42 ? 42 + after : n"));
    }

    [Fact]
    public async Task Loops_that_an_interrupted_cell_left_on_other_threads_end_too()
    {
        await cells.ValueAsync("var n = 0L; var turns = 0;");
        var run = cells.RunAsync("Console.WriteLine(\"it runs\"); await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(() => { while (true) n++; })));");
        await cells.WaitForAsync("it runs");
        cells.Session.Interrupt();
        await run;
        await Task.Delay(300, TestContext.Current.CancellationToken);
        Assert.Equal("True", await cells.ValueAsync("var before = n; await Task.Delay(100); n == before"));
    }

    [Theory]
    [InlineData("await Task.WhenAll(Enumerable.Range(0, System.Threading.ThreadPool.ThreadCount + 80).Select(_ => Task.Run(() => until.Wait())));")]
    [InlineData("_ = Enumerable.Range(0, System.Threading.ThreadPool.ThreadCount + 80).Select(_ => Task.Run(() => until.Wait())).ToList(); System.Threading.Thread.Sleep(-1);")]
    public async Task The_next_cell_runs_at_once_also_when_the_pool_is_full_of_tasks_that_block(string code)
    {
        await cells.ValueAsync("var until = new System.Threading.ManualResetEventSlim();");
        var run = cells.RunAsync("Console.WriteLine(\"it runs\");\n" + code);
        // More than the pool has threads: an earlier case may have left it many.
        Assert.True(SpinWait.SpinUntil(() => ThreadPool.PendingWorkItemCount >= 20, TimeSpan.FromSeconds(30)), "the pool is not full");
        cells.Session.Interrupt();
        await run;

        var since = Stopwatch.GetTimestamp();
        Assert.Equal("False", await cells.ValueAsync("until.IsSet"));
        var took = Stopwatch.GetElapsedTime(since);
        await cells.ValueAsync("until.Set();");
        Assert.True(took < TimeSpan.FromSeconds(3), $"{took}");
    }

    [Fact]
    public async Task A_cell_that_takes_the_token_may_finish_its_work_and_gives_its_value()
    {
        var run = cells.RunAsync("Console.WriteLine(\"it runs\"); while (!JepaT.Lab.Notebook.Stop.IsCancellationRequested) System.Threading.Thread.Sleep(5); System.Threading.Thread.Sleep(300); \"saved\"");
        await cells.WaitForAsync("it runs");
        cells.Session.Interrupt();
        var result = await run;
        Assert.True(result.Interrupted);
        Assert.Equal("saved", result.Value?.Data["text/plain"]);
        Assert.Null(result.Error);
    }

    [Fact]
    public async Task The_callers_token_interrupts_as_well_and_an_interrupt_between_cells_does_nothing()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(0.5));
        var result = await cells.Session.RunAsync("while (true) { }", "cell", cells, stop.Token);
        Assert.True(result.Interrupted);
        cells.Session.Interrupt();
        Assert.Equal("1", await cells.ValueAsync("1"));
        Assert.Equal("OperationCanceledException", (await cells.ErrorAsync("throw new OperationCanceledException();")).Name);
    }

    [Fact]
    public async Task A_native_call_is_reported_as_stuck_and_over_when_it_returns()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "libc");
        await cells.ValueAsync("var kept = 1;\n[System.Runtime.InteropServices.DllImport(\"libc\")] static extern int sleep(uint seconds);");
        var run = cells.RunAsync("Console.WriteLine(\"it runs\"); sleep(6); kept = 2;");
        await cells.WaitForAsync("it runs");
        cells.Session.Interrupt();
        var result = await run;
        Assert.Equal("Stuck", result.Error?.Name);
        Assert.True(cells.Session.IsStuck);
        Assert.Equal("Stuck", (await cells.ErrorAsync("1")).Name);

        while (cells.Session.IsStuck) await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.Equal("1", await cells.ValueAsync("kept"));
    }

    [Fact]
    public void Checks_move_no_line_and_are_left_out_where_the_code_cannot_be_parsed()
    {
        const string code = "while (true)\n    break;\nint F() => 1;\n\nvar g = () =>\n{\n    return 2;\n};\nF()";
        var tree = Insert(code);
        Assert.Equal(code.Split('\n').Length, tree.GetText(TestContext.Current.CancellationToken).Lines.Count);
        Assert.Equal(5, tree.ToString().Split("CellStop.Check").Length - 1);
        Assert.Empty(tree.GetDiagnostics(TestContext.Current.CancellationToken));
        Assert.Equal("while (", Insert("while (").ToString());

        static SyntaxTree Insert(string code) => StopChecks.Insert(CSharpCompilation.CreateScriptCompilation("Cell", SubmissionChain.Parse(code), [MetadataReference.CreateFromFile(typeof(object).Assembly.Location)])).SyntaxTrees[0];
    }
}
