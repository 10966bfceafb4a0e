using JepaT.Notebooks;

namespace JepaT.Tests;

public sealed class SessionTests : IAsyncDisposable
{
    private readonly TestSession cells = new();

    public ValueTask DisposeAsync() => cells.DisposeAsync();

    [Theory]
    [InlineData("1 + 1", "2")]
    [InlineData("var x = 5; x", "5")]
    [InlineData("await Task.Delay(1); \"done\"", "done")]
    [InlineData("await Task.FromResult(3)", "3")]
    [InlineData("var (a, b) = (1, 2); a + b", "3")]
    [InlineData("0.1", "0.1")]
    [InlineData("null", null)]
    [InlineData("(string)null", null)]
    [InlineData("var y = 5;", null)]
    [InlineData("using System.Net;", null)]
    [InlineData("// nothing", null)]
    [InlineData("", null)]
    [InlineData("Console.Write(\"\")", null)]
    [InlineData("typeof(JepaT.Lab.Notebook).Name", "Notebook")]
    [InlineData("typeof(TorchSharp.torch).Name + typeof(JepaT.Model.JepaModel).Name", "torchJepaModel")]
    [InlineData("new StringBuilder().Append(Path.Combine(\"a\", \"b\")).ToString()", "a/b")]
    [InlineData("int F(int n) => n < 2 ? n : F(n - 1) + F(n - 2); F(10)", "55")]
    [InlineData("int i = 0; while (i < 3) i++; do i++; while (i < 5); for (; i < 9;) i++; foreach (var c in \"ab\") if (c == 'a') i++; i", "10")]
    [InlineData("var n = 0; again: n++; if (n < 4) goto again; n", "4")]
    [InlineData("async Task T() => await Task.Yield(); async Task<int> V() => await Task.FromResult(4); void W() => throw new Exception(); await T(); await V()", "4")]
    [InlineData("async Task<int>? G() => await Task.FromResult(4); await G()", "4")]
    [InlineData("using TI = System.Threading.Tasks.Task<int>;\nasync TI T3() => await Task.FromResult(3); async ValueTask W() => await T3(); await W(); await T3()", "3")]
    [InlineData("Func<Task> a = async () => await Task.Yield(); Func<Task<int>> b = async () => await Task.FromResult(2); Action c = () => throw new Exception(); Func<int, Func<int, int>> d = x => y => x - y; await a(); await b() + d(5)(3)", "4")]
    [InlineData("System.Linq.Expressions.Expression<Func<int, bool>> e = i => new[] { 1 }.Any(j => j < i); e.ToString()", "i => new [] {1}.Any(j => (j < i))")]
    [InlineData("var q = from i in new[] { 1, 2 }.AsQueryable() where i < 2 select i + 1; q.Expression.ToString().Contains(\"Pass\") ? 0 : q.Single()", "2")]
    [InlineData("(from i in new[] { 1, 2, 3 } let j = i * 2 where j > 2 group j by j > 4 into g select g.Sum(k => k)).Sum()", "10")]
    [InlineData("struct S { public int A; public S(int a) => A = a; public static S operator +(S x, S y) => new(x.A + y.A); public int this[int i] => A + i; public ref int R(int[] a) => ref a[0]; public static implicit operator int(S s) => s.A; public int P { get => A; set => A = value; } int Q => throw new Exception(); static S() => N = 1; public static int N; }\nvar s = new S(1) + new S(2); s.P = 4; s[2] + s.R([7]) + S.N + s", "18")]
    [InlineData("switch (2) { case 1: break; case 2: goto case 1; } int[] z = [1]; ref int R() => ref z[0]; R() = 7; z[0]", "7")]
    public async Task The_last_expression_is_the_value(string code, string? value) => Assert.Equal(value, await cells.ValueAsync(code));

    [Fact]
    public async Task Variables_types_functions_and_usings_are_kept()
    {
        await cells.ValueAsync("using System.Net;\nvar x = 1;\nclass P { public int A = 3; }\nint Twice(int a) => a * 2;\nrecord R(int V);");
        await cells.ValueAsync("x = x + 1;");
        Assert.Equal("2 3 6 R { V = 1 } 127.0.0.1", await cells.ValueAsync("$\"{x} {new P().A} {Twice(3)} {new R(1)} {IPAddress.Loopback}\""));
        await cells.ValueAsync("var x = \"new\"; class P { public int B = 4; }");
        Assert.Equal("new 4", await cells.ValueAsync("$\"{x} {new P().B}\""));
        await cells.ValueAsync("var pair = new { A = 1, B = \"b\" };");
        Assert.Equal("1b", await cells.ValueAsync("pair.A + pair.B"));
    }

    [Fact]
    public async Task Usings_of_earlier_cells_go_with_whatever_a_cell_begins_with()
    {
        await cells.ValueAsync("using System.Net;\nusing static System.Math;\nusing Numbers = System.Collections.Generic.List<int>;");
        Assert.Equal("3 127.0.0.1 1", await cells.ValueAsync("#nullable enable\n#pragma warning disable\n#region a\nusing System.Text;\n\n$\"{Abs(-3)} {IPAddress.Loopback} {new Numbers { 1 }.Count}\"\n#endregion"));
        Assert.Equal("   cell 3, line 3", (await cells.ErrorAsync("#nullable enable\n// a comment\nint.Parse(\"x\");")).Traceback[1]);
        await cells.ValueAsync("using Numbers = System.Collections.Generic.List<string>;");
        Assert.Equal("a", await cells.ValueAsync("new Numbers { \"a\" }[0]"));
        Assert.Equal("CompilationError", (await cells.ErrorAsync("using No.Such.Namespace;")).Name);
        Assert.Equal("1", await cells.ValueAsync("1"));
    }

    [Fact]
    public async Task Attributes_blocks_and_labels_at_the_top_of_a_cell_take_their_checks()
    {
        Assert.Equal("6", await cells.ValueAsync("var n = 0;\n[ThreadStatic] static int perThread;\n{ n++; }\n[Obsolete] void Old() { n++; }\nstatic int Two = 2;\nunsafe { int* p = stackalloc int[1]; *p = 1; n += *p; }\nperThread = 1;\nfor (var i = 0; i < 1; i++) using (var s = new MemoryStream()) lock (s) n += Two;\nn + Two"));
        Assert.Equal("5", await cells.ValueAsync("if (n > 0) return n + 1;\nn"));
    }

    [Fact]
    public async Task What_ran_before_an_exception_is_kept_and_the_error_names_cell_and_line()
    {
        await cells.ValueAsync("void Fail(int[] v)\n{\n    v[3] = 1;\n}");
        var error = await cells.ErrorAsync("int y = 7;\nConsole.WriteLine(\"before\");\ny = 8;\n\nFail(new int[1]);\ny = 9;");
        Assert.Equal("IndexOutOfRangeException", error.Name);
        Assert.Equal(["IndexOutOfRangeException: Index was outside the bounds of the array.", "   cell 1, line 3, in Fail", "   cell 2, line 5"], error.Traceback);
        Assert.Equal("before\n", cells.Out);
        Assert.Equal("8", await cells.ValueAsync("y"));
    }

    [Fact]
    public async Task Errors_show_no_frames_but_the_cells_and_their_causes()
    {
        var error = await cells.ErrorAsync("async Task A()\n{\n    await Task.Yield();\n    try { new List<int>().First(); }\n    catch (Exception e) { throw new IOException(\"outer\", e); }\n}\nawait A();");
        Assert.Equal(["IOException: outer", "   cell 1, line 5, in A", "   cell 1, line 7", "caused by InvalidOperationException: Sequence contains no elements", "   cell 1, line 4, in A"], error.Traceback);
        Assert.Equal("UserException", (await cells.ErrorAsync("throw new JepaT.Model.UserException(\"a\");")).Name);
        Assert.Equal("FormatException", (await cells.ErrorAsync("await Task.WhenAll(Task.Run(() => int.Parse(\"a\")));")).Name);
        Assert.Equal("FormatException", (await cells.ErrorAsync("Task.Run(() => int.Parse(\"a\")).Wait();")).Name);
    }

    [Fact]
    public async Task Of_several_causes_all_are_told_up_to_some()
    {
        var error = await cells.ErrorAsync("Task.WaitAll(Task.Run(() => throw new IOException(\"a\")),\n    Task.Run(() => throw new FormatException(\"b\")));");
        Assert.Equal("AggregateException", error.Name);
        Assert.Equal(["   cell 1, line 1", "caused by IOException: a", "   cell 1, line 1", "caused by FormatException: b", "   cell 1, line 2"], error.Traceback.Skip(1));
        error = await cells.ErrorAsync("throw new AggregateException(Enumerable.Range(0, 99).Select(i => new IOException()));");
        Assert.Equal((10, "… and 89 causes more"), (error.Traceback.Count(l => l.StartsWith("caused by IOException", StringComparison.Ordinal)), error.Traceback[^1]));
    }

    [Theory]
    [InlineData("1.ToString();\nawait Task.Delay(5000, new System.Threading.CancellationTokenSource(10).Token)", "TaskCanceledException", "A task was canceled.")]
    [InlineData("using System.Threading;\nawait Task.Run(() => new CancellationToken(true).ThrowIfCancellationRequested(), new CancellationToken());", "OperationCanceledException", "The operation was canceled.")]
    [InlineData("1.ToString();\nthrow new OperationCanceledException(\"given up\");", "OperationCanceledException", "given up")]
    public async Task What_is_cancelled_is_told_by_its_own_name_words_and_place(string code, string name, string message)
    {
        var error = await cells.ErrorAsync(code);
        Assert.Equal((name, message), (error.Name, error.Message));
        Assert.Equal($"{name}: {message}", error.Traceback[0]);
        Assert.Contains("   cell 1, line 2", error.Traceback);
    }

    [Theory]
    [InlineData("int Down(int n) => 1 + Down(n + 1);\nDown(0)")]
    [InlineData("class Deep { public int Value => Other; int Other { get => Value; } }\nnew Deep().Value")]
    [InlineData("Func<int, int> f = null; f = n => 1 + f(n);\nf(0)")]
    [InlineData("class Made { Made inner; public Made() { inner = new Made(); } }\nnew Made()")]
    [InlineData("async Task Sink() { await Sink(); }\nawait Sink();")]
    public async Task Endless_recursion_is_an_error_like_any_other(string code)
    {
        await cells.ValueAsync("var kept = 7;");
        var error = await cells.ErrorAsync(code);
        Assert.Equal("InsufficientExecutionStackException", error.Name);
        Assert.InRange(error.Traceback.Count, 2, 20);
        Assert.Equal("   cell 2, line 2", error.Traceback[^1]);
        Assert.Equal("7", await cells.ValueAsync("kept"));
    }

    [Fact]
    public async Task Code_that_cannot_be_parsed_is_told_by_what_is_missing()
    {
        Assert.Equal("CompilationError: ) expected", (await cells.ErrorAsync("display(")).Traceback[0]);
    }

    [Fact]
    public async Task Code_that_does_not_compile_changes_nothing()
    {
        await cells.ValueAsync("var x = 1;");
        var error = await cells.ErrorAsync("Console.WriteLine(\"not seen\");\nvar x = 2;\nwhile (true) unknown++;");
        Assert.Equal("CompilationError", error.Name);
        Assert.Equal(["CompilationError: The name 'unknown' does not exist in the current context", "   cell 2, line 3: CS0103: The name 'unknown' does not exist in the current context", "      while (true) unknown++;"], error.Traceback);
        Assert.Equal("1", await cells.ValueAsync("x"));
        Assert.Contains("cell 4, line 2: CS1525", string.Join("\n", (await cells.ErrorAsync("\nint z = ;")).Traceback), StringComparison.Ordinal);
        Assert.Equal("CompilationError", (await cells.ErrorAsync("z")).Name);
        Assert.Equal("", cells.Out);
    }

    [Fact]
    public async Task Cells_asked_for_at_once_run_one_after_the_other()
    {
        await cells.ValueAsync("var seen = new List<int>(); var inside = 0;");
        var all = Enumerable.Range(0, 5).Select(i => cells.RunAsync($"if (inside++ > 0) throw new Exception(); await Task.Delay(20); seen.Add({i}); inside--;"));
        Assert.All(await Task.WhenAll(all), r => Assert.Null(r.Error));
        Assert.Equal("0,1,2,3,4", await cells.ValueAsync("string.Join(\",\", seen)"));
    }

    [Fact]
    public async Task Code_stays_on_one_thread_and_blocking_on_tasks_does_not_hang()
    {
        await cells.ValueAsync("var first = Environment.CurrentManagedThreadId;");
        Assert.Equal("True", await cells.ValueAsync("await Task.Delay(20); await Task.Yield(); Environment.CurrentManagedThreadId == first"));
        Assert.Equal("7", await cells.ValueAsync("async Task<int> Slow() { await Task.Delay(20); await Task.Yield(); return 7; }\nSlow().Result"));
    }

    [Fact]
    public async Task Variables_can_be_listed_and_set_from_outside()
    {
        await cells.ValueAsync("int steps = 3; var name = \"a\"; int Unlisted() => 1; class AlsoNot { }");
        Assert.Equal(["name=a:String", "steps=3:Int32"], cells.Session.Variables.Select(v => $"{v.Name}={v.Value}:{v.Type.Name}").Order());
        cells.Session.SetVariable("steps", 5);
        cells.Session.SetVariable("name", 1.5);
        cells.Session.SetVariable("made", new Dictionary<string, int[]> { ["k"] = [1, 2] });
        cells.Session.SetVariable("secret", new Hidden());
        Assert.Equal("5 1.75 2 object", await cells.ValueAsync("$\"{steps} {name + 0.25} {made[\"k\"].Length} {(secret is string ? \"string\" : \"object\")}\""));
        Assert.Equal("6", await cells.ValueAsync("steps += 1; steps"));
    }

    [Theory]
    [InlineData("1 + 1", "complete", "")]
    [InlineData("for (;;) {", "incomplete", "    ")]
    [InlineData("class A { void B() {", "incomplete", "        ")]
    [InlineData("var x = (1 +", "incomplete", "")]
    [InlineData("int = 1;", "invalid", "")]
    [InlineData("#!time\nvar x = 1;", "complete", "")]
    [InlineData("#!markdown\n# for (", "complete", "")]
    public void A_cell_is_complete_incomplete_or_invalid(string code, string status, string indent) => Assert.Equal(new Completeness(status, indent), Session.IsComplete(code));

    [Fact]
    public async Task The_lab_finds_this_host_only_inside_of_cells()
    {
        var outside = JepaT.Lab.Notebook.Host.Name;
        Assert.Equal("JepaT's notebook engine", await cells.ValueAsync("JepaT.Lab.Notebook.Host.Name"));
        Assert.Equal(cells.Folder, await cells.ValueAsync("JepaT.Lab.Notebook.Folder"));
        await cells.ValueAsync("JepaT.Lab.Notebook.Show(\"<text>\");");
        Assert.Contains("display text/plain: <text>", cells.Log);
        Assert.NotEqual("JepaT's notebook engine", outside);
    }

    private sealed class Hidden;
}
