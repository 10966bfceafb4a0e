using System.Diagnostics;

namespace JepaT.Tests;

/// <summary>Console, displays and what the user types.</summary>
public sealed class CellOutputTests : IAsyncDisposable
{
    private readonly TestSession cells = new() { Typed = prompt => prompt + "typed" };

    public ValueTask DisposeAsync() => cells.DisposeAsync();

    [Fact]
    public async Task Console_text_comes_while_the_cell_runs_and_in_order()
    {
        var run = cells.RunAsync("Console.WriteLine(\"one\"); Console.Error.WriteLine(\"bad\"); Console.Write('t'); Console.Write(new[] { 'w', 'o' }); await Task.Delay(60_000, JepaT.Lab.Notebook.Stop);");
        await cells.WaitForAsync("two");
        Assert.False(run.IsCompleted);
        Assert.Equal(["stdout one\n", "stderr bad\n", "stdout two"], cells.Log);
        cells.Session.Interrupt();
        await run;
    }

    [Fact]
    public async Task Many_small_writes_become_few_outputs_and_none_is_lost()
    {
        await cells.ValueAsync("for (var i = 0; i < 100_000; i++) Console.Write(\"0123456789\");");
        Assert.Equal(1_000_000, cells.Out.Length);
        Assert.True(cells.Log.Count < 1000, $"{cells.Log.Count}");
    }

    [Fact]
    public async Task Only_cells_write_to_their_outputs()
    {
        await using var other = new TestSession();
        await cells.ValueAsync("Console.Write(\"mine\");");
        await other.ValueAsync("Console.Write(\"other\");");
        Console.WriteLine("of the test");
        Assert.Equal(("mine", "other"), (cells.Out, other.Out));
    }

    [Fact]
    public async Task A_thread_that_outlives_its_cell_writes_to_the_last_one()
    {
        var first = new TestSession.Other();
        await cells.Session.RunAsync("var go = new System.Threading.ManualResetEventSlim(); _ = Task.Run(() => { go.Wait(); Console.Write(\"late\"); });", "cell 1", first, TestContext.Current.CancellationToken);
        await cells.ValueAsync("go.Set(); await Task.Delay(100);");
        Assert.Equal("late", cells.Out);
        Assert.Empty(first.Log);
    }

    [Fact]
    public async Task An_exception_on_a_thread_of_the_cell_is_told_and_ends_nothing()
    {
        await cells.ValueAsync("var t = new System.Threading.Thread(() => throw new IOException(\"on a thread\")); t.Start(); t.Join();");
        await cells.ValueAsync("async void Fire() { await Task.Yield(); throw new FormatException(\"fired\"); }\nFire(); await Task.Delay(100);");
        Assert.Equal("IOException: on a thread\n   cell 1, line 1\nFormatException: fired\n   cell 2, line 1, in Fire\n", cells.Err);
        Assert.Equal("1", await cells.ValueAsync("1"));
    }

    [Theory]
    [InlineData("var t = new System.Threading.Timer(_ => throw new IOException(\"x\"), null, 0, -1);")]
    [InlineData("var t = new System.Timers.Timer(1) { AutoReset = false }; t.Elapsed += async (_, _) => { await Task.Yield(); throw new IOException(\"x\"); }; t.Start();")]
    [InlineData("System.Threading.ThreadPool.QueueUserWorkItem(_ => throw new IOException(\"x\"));")]
    [InlineData("System.Threading.ThreadPool.UnsafeQueueUserWorkItem(_ => throw new IOException(\"x\"), null);")]
    [InlineData("new System.Threading.Thread(() => throw new IOException(\"x\")).UnsafeStart();")]
    [InlineData("var stop = new System.Threading.CancellationTokenSource(1); stop.Token.UnsafeRegister(_ => throw new IOException(\"x\"), null);")]
    public async Task An_exception_that_nobody_can_catch_is_told_and_ends_nothing(string code)
    {
        await cells.ValueAsync(code + " for (var i = 0; i < 50; i++) await Task.Delay(10);");
        Assert.Contains("IOException: x\n   cell 1, line 1\n", cells.Err, StringComparison.Ordinal);
        Assert.Equal("1", await cells.ValueAsync("1"));
    }

    [Fact]
    public async Task An_exception_without_a_frame_of_the_cell_ends_nothing_either()
    {
        await cells.ValueAsync("System.Threading.ThreadPool.UnsafeQueueUserWorkItem(new System.Threading.WaitCallback(JepaT.Tests.Faulty.Call), null); await Task.Delay(200);");
        Assert.Equal("IOException: of a library\n", cells.Err);
    }

    [Fact]
    public async Task A_timer_of_an_interrupted_cell_ends_quietly()
    {
        var run = cells.RunAsync("var tm = new System.Threading.Timer(_ => Console.Write(\".\")); tm.Change(0, 20); System.Threading.Thread.Sleep(-1);");
        await cells.WaitForAsync(".");
        cells.Session.Interrupt();
        Assert.Equal("Interrupted", (await run).Error?.Name);
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.Equal("1", await cells.ValueAsync("tm.Dispose(); 1"));
        Assert.Equal("", cells.Err);
    }

    [Fact]
    public async Task A_handle_changes_its_output_ten_times_a_second_at_most_and_ends_with_the_last_state()
    {
        var since = Stopwatch.GetTimestamp();
        await cells.ValueAsync("var handle = display(0); var clock = System.Diagnostics.Stopwatch.StartNew(); var i = 0; while (clock.ElapsedMilliseconds < 550) handle.Update(++i);");
        var updates = cells.Log.Count(l => l.StartsWith("update", StringComparison.Ordinal));
        Assert.InRange(updates, 2, (int)(Stopwatch.GetElapsedTime(since).TotalSeconds * 10) + 1);
        Assert.Equal("display text/plain: 0", cells.Log[0]);
        Assert.Equal($"update text/plain: {await cells.ValueAsync("i")}", cells.Log[^1]);

        await cells.ValueAsync("handle.Update(\"from a later cell\");");
        Assert.Equal("update text/plain: from a later cell", cells.Log[^1]);
        await cells.ValueAsync("_ = Task.Run(async () => { await Task.Delay(150); handle.Update(\"from no cell\"); });");
        await cells.WaitForAsync("from no cell");
    }

    [Fact]
    public async Task Displays_have_a_form_an_id_and_encode_what_is_text()
    {
        await cells.ValueAsync("display(\"<b>\"); \"<i>x</i>\".Display(\"text/html\"); HTML(\"<p>\").Display(); var h = 5.Display(); h.Update(6); display(HTML(\"<hr>\")); display(\"{}\", \"application/json\"); display(null);");
        Assert.Equal(["display text/plain: <b>", "display text/html: <i>x</i>", "display text/html: <p>", "display text/plain: 5", "display text/html: <hr>", "display application/json: {}", "display text/plain: ", "update text/plain: 6"],
            cells.Log.OrderBy(l => l.StartsWith("update", StringComparison.Ordinal)));
        Assert.Equal("<b>&</b>", (await cells.RunAsync("HTML(\"<b>&</b>\")")).Value!.Data["text/html"]);
        Assert.Contains("&lt;script&gt;", (await cells.RunAsync("new[] { new { Name = \"<script>\" } }")).Value!.Data["text/html"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_handle_of_a_display_shows_nothing_more()
    {
        Assert.Null(await cells.ValueAsync("display(5)"));
        Assert.Null(await cells.ValueAsync("5.Display()"));
        Assert.Equal(["display text/plain: 5", "display text/plain: 5"], cells.Log);
    }

    [Fact]
    public async Task Where_no_one_can_type_asking_is_an_error_and_not_an_empty_answer()
    {
        await using var alone = new TestSession();
        foreach (var name in new[] { "input", "password" })
        {
            var error = await alone.ErrorAsync($"var x = {name}(\"name? \");");
            Assert.Equal("UserException", error.Name);
            Assert.StartsWith(name + ": no one can type here", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Scripts_are_refused_in_one_line()
    {
        var error = await cells.ErrorAsync("Javascript(\"alert(1)\")");
        Assert.Equal("UserException", error.Name);
        Assert.StartsWith("Javascript: scripts are not run here", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Outputs_can_be_cleared_and_lines_be_typed()
    {
        Assert.Equal("typed|name? typed|typed", await cells.ValueAsync("clear_output(true); Console.Write(\"x\"); $\"{Console.ReadLine()}|{input(\"name? \")}|{password()}\""));
        Assert.Equal(["clear later", "stdout x"], cells.Log);
        Assert.Equal("t,y,ped", await cells.ValueAsync("$\"{(char)Console.In.Read()},{(char)Console.Read()},{Console.ReadLine()}\""));
        await using var alone = new TestSession();
        Assert.Equal("True", await alone.ValueAsync("Console.ReadLine() is null && Console.Read() < 0"));
    }

    [Theory]
    [InlineData("while (true) display(\"x\");")]
    [InlineData("while (true) { var d = display(\"x\"); d.Update(\"y\"); }")]
    [InlineData("while (true) JepaT.Lab.Notebook.Show(\"x\");")]
    [InlineData("var x = new string('x', 10_000_000); while (true) display(x);")]
    public async Task A_loop_that_shows_for_ever_is_cut(string code)
    {
        var run = cells.RunAsync(code);
        await cells.WaitForAsync("… (cut: a cell keeps 1,000 outputs of 64 million characters together; the rest is dropped)");
        await Task.Delay(500, TestContext.Current.CancellationToken);
        var since = Stopwatch.GetTimestamp();
        cells.Session.Interrupt();
        await run;
        Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromSeconds(1.5), $"{Stopwatch.GetElapsedTime(since)}");
        Assert.InRange(cells.Log.Count(l => l.StartsWith("display", StringComparison.Ordinal)), 3, 1000);
        Assert.InRange(cells.Log.Count(l => l.StartsWith("update", StringComparison.Ordinal)), 0, 1000);
        Assert.Single(cells.Log, l => l.StartsWith("stderr", StringComparison.Ordinal));
        await cells.ValueAsync("display(\"the next cell\");");
        Assert.Equal("display text/plain: the next cell", cells.Log[^1]);
    }

    [Fact]
    public async Task What_is_cleared_counts_no_more_and_is_shown_only_where_it_can_be_seen()
    {
        await cells.ValueAsync("for (var i = 0; i < 20_000; i++) { clear_output(true); display(i); }");
        Assert.Equal("display text/plain: 19999", cells.Log[^1]);
        Assert.Equal("", cells.Err);
        Assert.InRange(cells.Log.Count, 2, 5000);
        await cells.ValueAsync("Console.Write(\"stays\"); clear_output(true);");
        Assert.Equal(["stdout stays", "clear later"], cells.Log.TakeLast(2));
        await cells.ValueAsync("Console.Write(\"goes\"); clear_output(); display(1);");
        Assert.Equal(["clear", "display text/plain: 1"], cells.Log.TakeLast(2));
    }

    [Fact]
    public async Task A_front_end_that_fails_is_told_to_the_caller_and_the_session_goes_on()
    {
        var broken = new TestSession.Other { Fails = true };
        await Assert.ThrowsAsync<IOException>(() => cells.Session.RunAsync("Console.Write(1);", "cell", broken, TestContext.Current.CancellationToken));
        Assert.Equal("2", await cells.ValueAsync("2"));
    }
}

/// <summary>What a cell hands to others without calling it itself.</summary>
public static class Faulty
{
    public static void Call(object? state) => throw new IOException("of a library");
}
