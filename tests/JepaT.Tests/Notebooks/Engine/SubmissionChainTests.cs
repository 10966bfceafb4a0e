namespace JepaT.Tests;

/// <summary>What later cells replace is dropped, and nothing else.</summary>
public sealed class SubmissionChainTests : IAsyncDisposable
{
    private readonly TestSession cells = new();

    public ValueTask DisposeAsync() => cells.DisposeAsync();

    [Fact]
    public async Task Running_a_notebook_again_and_again_keeps_only_its_last_state()
    {
        string[] notebook =
        [
            "using System.Net;\nusing System.Threading;", "var x = 1;", "int F(int a) => a + x;", "class P { public int A { get; set; } }", "var p = new P { A = F(1) };",
            "1 + 1", "var rows = new[] { new { p.A, B = x } };", "rows[0].B", "Console.Write(IPAddress.Loopback);", "var x = p.A + rows[0].A;", "static int Twice(this int a) => 2 * a;", "x.Twice()",
        ];
        var longest = 0;
        for (var i = 0; i < 40; i++)
        {
            foreach (var cell in notebook) Assert.Null((await cells.RunAsync(cell)).Error);
            longest = Math.Max(longest, cells.Session.ChainLength);
        }
        Assert.Equal("8", await cells.ValueAsync("x.Twice()"));
        Assert.InRange(longest, 8, 40);                  // of 480 that were run
    }

    [Fact]
    public async Task What_others_still_use_is_kept_although_it_was_declared_anew()
    {
        await cells.ValueAsync("var x = 1; class T { public string Name = \"old\"; }");
        await cells.ValueAsync("int Next() => ++x;\nvar t = new T();");
        for (var i = 0; i < 30; i++) await cells.ValueAsync($"var x = {100 + i}; class T {{ public int Other = {i}; }}");
        Assert.Equal("2 3 129 old 29", await cells.ValueAsync("$\"{Next()} {Next()} {x} {t.Name} {new T().Other}\""));
    }

    [Fact]
    public async Task Overloads_and_usings_of_earlier_cells_stay_in_sight()
    {
        await cells.ValueAsync("string F(int a) => \"int\";");
        await cells.ValueAsync("using System.Net;");
        for (var i = 0; i < 20; i++) await cells.ValueAsync("string F(string a) => \"string\";\nvar any = IPAddress.Any;");
        Assert.Equal("int string 0.0.0.0", await cells.ValueAsync("$\"{F(1)} {F(\"\")} {IPAddress.Any}\""));
    }

    [Fact]
    public async Task Code_of_cells_that_declare_nothing_is_unloaded()
    {
        var reference = await LoadAsync();
        for (var i = 0; i < 50 && reference.IsAlive; i++)
        {
            GC.Collect(2);
            GC.WaitForPendingFinalizers();
        }
        Assert.False(reference.IsAlive);

        async Task<WeakReference> LoadAsync()
        {
            await cells.ValueAsync("object kept = null;");
            await cells.ValueAsync("kept = new WeakReference(((Func<int>)(() => 1)).Method.DeclaringType.Assembly);");
            for (var i = 0; i < 3; i++) await cells.ValueAsync("1");
            return (WeakReference)cells.Session.Variables.Single().Value!;
        }
    }
}
