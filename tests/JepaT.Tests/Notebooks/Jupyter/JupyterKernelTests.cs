using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using JepaT.Notebooks;

namespace JepaT.Tests;

/// <summary>The kernel over real sockets, message by message.</summary>
public sealed class JupyterKernelTests
{
    [Fact]
    public async Task A_cell_is_answered_in_the_order_of_the_protocol()
    {
        await using var front = new FrontEnd();

        var id = front.Execute("Console.Write(\"out\"); Console.Error.Write(\"err\"); var d = display(\"first\"); d.Update(\"second\"); 6 * 7");
        var published = front.Published(id);

        Assert.Equal(["status", "execute_input", "stream", "stream", "display_data", "update_display_data", "execute_result", "status"], published.Select(m => m.Type));
        Assert.Equal(("busy", "idle"), (published[0].State, published[^1].State));
        Assert.Equal(("out", "stdout", "err", "stderr"), (published[2].Text("text"), published[2].Text("name"), published[3].Text("text"), published[3].Text("name")));
        Assert.Equal(["first", "second"], published.Where(m => m.Type.EndsWith("display_data", StringComparison.Ordinal)).Select(m => m.Data("text/plain")));
        Assert.Single(published.Where(m => m.Content.ContainsKey("transient")).Select(m => m.Content["transient"]!["display_id"]!.GetValue<string>()).Distinct());
        Assert.Equal("42", published[6].Data("text/plain"));
        var reply = front.Reply(id);
        Assert.Equal(("execute_reply", "ok", 1), (reply.Type, reply.Text("status"), reply.Content["execution_count"]!.GetValue<int>()));

        Assert.Contains("clear_output", front.Published(front.Execute("clear_output(true);")).Select(m => m.Type));
    }

    [Fact]
    public async Task While_a_cell_runs_all_else_is_alive_and_an_interrupt_keeps_the_variables()
    {
        await using var front = new FrontEnd();
        front.Reply(front.Execute("var kept = 1;"));

        var endless = front.Execute("Console.WriteLine(\"on\"); kept = 2; while (true) { }");
        var waiting = front.Execute("kept = -1;");
        while (front.Receive(KernelChannel.Iopub) is not { Type: "stream" }) { }
        Assert.True(front.Beats());
        Assert.Equal("complete", front.Reply(front.Send("is_complete_request", new JsonObject { ["code"] = "1" })).Text("status"));
        Assert.Equal("ok", front.Reply(front.Send("kernel_info_request", [], KernelChannel.Control), KernelChannel.Control).Text("status"));

        var since = Stopwatch.GetTimestamp();
        Assert.Equal("ok", front.Reply(front.Send("interrupt_request", [], KernelChannel.Control), KernelChannel.Control).Text("status"));
        var reply = front.Reply(endless);
        Assert.True(Stopwatch.GetElapsedTime(since) < TimeSpan.FromSeconds(5), "the promise is one second on a machine that is not busy");
        Assert.Equal(("error", "Interrupted"), (reply.Text("status"), reply.Text("ename")));
        Assert.Equal("aborted", front.Reply(waiting).Text("status"));

        var result = front.Execute("kept == 2");
        Assert.Equal("True", front.Published(result).Single(m => m.Type == "execute_result").Data("text/plain"));
    }

    [Fact]
    public async Task An_error_stops_the_cells_that_wait_unless_the_front_end_says_no()
    {
        await using var front = new FrontEnd();
        var slow = "await Task.Delay(500); throw new InvalidOperationException(\"so\");";

        string[] stopping = [front.Execute(slow), front.Execute("1"), front.Execute("2")];
        Assert.Equal(["error", "aborted", "aborted"], stopping.Select(id => front.Reply(id).Text("status")));
        string[] going = [front.Execute(slow, new JsonObject { ["stop_on_error"] = false }), front.Execute("3")];
        var error = front.Published(going[0]).Single(m => m.Type == "error");
        Assert.Equal(["error", "ok"], going.Select(id => front.Reply(id).Text("status")));
        Assert.Equal(("InvalidOperationException", "so"), (error.Text("ename"), error.Text("evalue")));
        Assert.Equal(["\e[31mInvalidOperationException\e[39m: so", "   cell 2, line 1"], error.Content["traceback"]!.AsArray().Select(l => l!.GetValue<string>()));
    }

    [Fact]
    public async Task Silent_cells_show_nothing_and_count_nothing_and_expressions_come_with_the_reply()
    {
        await using var front = new FrontEnd();

        var silent = front.Execute("var x = 2; display(x); x", new JsonObject { ["silent"] = true });
        Assert.Equal(["busy", "idle"], front.Published(silent).Select(m => m.State));
        Assert.Equal(0, front.Reply(silent).Content["execution_count"]!.GetValue<int>());
        var counted = front.Reply(front.Execute("1", new JsonObject { ["user_expressions"] = new JsonObject { ["good"] = "x + 1", ["bad"] = "y" } }));
        Assert.Equal(1, counted.Content["execution_count"]!.GetValue<int>());
        Assert.Equal("3", counted.Content["user_expressions"]!["good"]!["data"]!["text/plain"]!.GetValue<string>());
        Assert.Equal("error", counted.Content["user_expressions"]!["bad"]!["status"]!.GetValue<string>());
    }

    [Fact]
    public async Task Input_is_asked_for_where_the_front_end_can()
    {
        await using var front = new FrontEnd();

        var id = front.Execute("$\"{password(\"who? \")} {Console.ReadLine()}\"", new JsonObject { ["allow_stdin"] = true });
        var first = front.Receive(KernelChannel.Stdin);
        Assert.Equal(("input_request", id, "who? ", true), (first.Type, first.Parent, first.Text("prompt"), first.Content["password"]!.GetValue<bool>()));
        front.Send("input_reply", new JsonObject { ["value"] = "<me>" }, KernelChannel.Stdin);
        Assert.False(front.Receive(KernelChannel.Stdin).Content["password"]!.GetValue<bool>());
        front.Send("input_reply", new JsonObject { ["value"] = "you" }, KernelChannel.Stdin);
        Assert.Equal("<me> you", front.Published(id).Single(m => m.Type == "execute_result").Data("text/plain"));

        Assert.Equal("True", front.Published(front.Execute("Console.ReadLine() is null")).Single(m => m.Type == "execute_result").Data("text/plain"));

        var abandoned = front.Execute("input(\"never answered\")", new JsonObject { ["allow_stdin"] = true });
        front.Receive(KernelChannel.Stdin);
        front.Send("interrupt_request", [], KernelChannel.Control);
        front.Reply(abandoned);
        Assert.Equal("ok", front.Reply(front.Execute("1")).Text("status"));
    }

    [Fact]
    public async Task History_comms_and_unknown_requests()
    {
        await using var front = new FrontEnd();
        foreach (var code in new[] { "\"a*\"", "1 + 1", "1 + 2" }) front.Reply(front.Execute(code));

        string History(JsonObject request) => front.Reply(front.Send("history_request", request)).Content["history"]!.ToJsonString();
        Assert.Equal("""[[1,2,["1 \u002B 1","2"]],[1,3,["1 \u002B 2","3"]]]""", History(new() { ["hist_access_type"] = "tail", ["n"] = 2, ["output"] = true }));
        Assert.Equal("""[[1,2,"1 \u002B 1"]]""", History(new() { ["hist_access_type"] = "range", ["session"] = 0, ["start"] = 2, ["stop"] = 3 }));
        Assert.Equal("""[[1,3,"1 \u002B 2"]]""", History(new() { ["hist_access_type"] = "search", ["pattern"] = "1*2" }));
        Assert.Equal("error", front.Reply(front.Send("history_request", new JsonObject { ["hist_access_type"] = "all" })).Text("status"));

        Assert.Empty(front.Reply(front.Send("comm_info_request", [])).Content["comms"]!.AsObject());
        var opened = front.Published(front.Send("comm_open", new JsonObject { ["comm_id"] = "7", ["target_name"] = "widget", ["data"] = new JsonObject() }));
        Assert.Equal("7", opened.Single(m => m.Type == "comm_close").Text("comm_id"));
        Assert.Equal("error", front.Reply(front.Send("debug_request", [])).Text("status"));
        Assert.Equal("error", front.Reply(front.Send("execute_request", new JsonObject { ["code"] = 5 })).Text("status"));
    }

    [Fact]
    public async Task A_thousand_bad_messages_leave_a_line_each_and_nothing_else()
    {
        await using var front = new FrontEnd();
        var (random, dropped) = (new Random(1), 0);
        var replayed = front.Frames("execute_request", new JsonObject { ["code"] = "var times = 1;" });
        front.SendFrames(KernelChannel.Shell, replayed);
        foreach (var channel in new[] { KernelChannel.Shell, KernelChannel.Control, KernelChannel.Stdin })
        {
            for (var i = 0; i < 350; i++, dropped++)
            {
                var frames = front.Frames("execute_request", new JsonObject { ["code"] = "Environment.Exit(9)" });
                switch (i % 7)
                {
                    case 0: frames[1] = []; break;                                                                  // no signature
                    case 1: frames[1][random.Next(64)] ^= 1; break;
                    case 2: frames[random.Next(2, 6)] = RandomNumberGenerator.GetBytes(random.Next(1, 2000)); break;
                    case 3: frames = [.. frames.Take(random.Next(1, 6))]; break;
                    case 4: frames = [[.. RandomNumberGenerator.GetBytes(5)], []]; break;
                    case 5: frames = replayed; break;
                    default: frames = Signed(frames, "[1]", "{", "{\"code\":\"1\",\"code\":\"2\"}", "\"\\ud800\"", "")[i / 7 % 5]; break;
                }
                front.SendFrames(channel, frames);
            }
        }

        int Lines() => front.Log.Split('\n').Count(l => l.Contains("was dropped", StringComparison.Ordinal));
        for (var i = 0; i < 100 && Lines() < dropped; i++) await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.Equal(dropped, Lines());
        using (var garbage = new TcpClient("127.0.0.1", front.Ports[0])) await garbage.GetStream().WriteAsync(RandomNumberGenerator.GetBytes(500), TestContext.Current.CancellationToken);
        Assert.Equal("1", front.Published(front.Execute("times")).Single(m => m.Type == "execute_result").Data("text/plain"));
        Assert.True(front.Beats());
        Assert.False(front.Ended.IsCompleted);

        // The same message with contents that are no proper JSON object, rightly signed.
        static List<byte[]>[] Signed(List<byte[]> frames, params string[] contents) => [.. contents.Select(content =>
        {
            byte[][] parts = [frames[2], frames[3], frames[4], System.Text.Encoding.UTF8.GetBytes(content)];
            var signature = HMACSHA256.HashData(System.Text.Encoding.UTF8.GetBytes(FrontEnd.Key), parts.SelectMany(p => p).ToArray());
            return new List<byte[]>([frames[0], System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(signature)), .. parts]);
        })];
    }

    [Fact]
    public async Task Shutdown_is_answered_and_ends_it_also_in_an_endless_cell()
    {
        await using var front = new FrontEnd();
        front.Execute("while (true) { }");

        var id = front.Send("shutdown_request", new JsonObject { ["restart"] = true }, KernelChannel.Control);

        Assert.True(front.Reply(id, KernelChannel.Control).Content["restart"]!.GetValue<bool>());
        Assert.Equal(0, await front.Ended.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Any_text_a_cell_prints_arrives()
    {
        await using var front = new FrontEnd();

        var published = front.Published(front.Execute("""Console.Write("\"<b>\\ \ud83d\ude00\0\u2028" + (char)0xd800 + "!")"""));

        Assert.Equal("\"<b>\\ \ud83d\ude00\0\u2028\ufffd!", published.Single(m => m.Type == "stream").Text("text"));
    }
}
