using System.Diagnostics;
using System.Runtime.InteropServices;
using AngleSharp.Html.Parser;
using JepaT.Model;
using JepaT.Notebooks;

namespace JepaT.Tests;

/// <summary>The program itself, in a process of its own.</summary>
public sealed class NotebookCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("jepat-command-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Run_writes_notebook_and_page_beside_each_other_and_leaves_the_input()
    {
        Write("a.ipynb", NotebookFile.Of("# tag: parameters\nvar prompt = \"x\";", "prompt"));
        var input = Read("a.ipynb");

        var (code, output, errors) = await RunAsync("run", "a.ipynb", "-p", "prompt=a \"red\" <b>bag</b>", "--to", "html");

        Assert.True(code == 0, errors);
        Assert.Equal("a.out.ipynb\na.out.html\n", output);
        Assert.Equal(input, Read("a.ipynb"));
        NotebookFile.RequireValid(Path.Combine(folder, "a.out.ipynb"));
        Assert.Contains("a \"red\" <b>bag</b>", new HtmlParser().ParseDocument(Read("a.out.html")).QuerySelectorAll(".output").Single().TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failing_cell_gives_exit_code_1_and_says_where()
    {
        Write("a.ipynb", NotebookFile.Of("1", "throw new InvalidOperationException(\"so\");"));

        var (code, output, errors) = await RunAsync("run", "a.ipynb", "-o", "sub/b.ipynb");

        Assert.Equal((1, "sub/b.ipynb\n"), (code, output));
        Assert.Contains("error: a.ipynb: cell 2: InvalidOperationException: so\n", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("at JepaT", errors, StringComparison.Ordinal);
        Assert.Contains("This run failed", NotebookDocument.Load(Path.Combine(folder, "sub", "b.ipynb")).Cells[0].Source, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bad_input_ends_in_one_line_and_exit_code_1()
    {
        Write("python.ipynb", NotebookFile.Of([], """{"language": "python", "name": "python3"}"""));

        Assert.Equal((1, "", "error: python.ipynb: is a notebook in python (kernel python3); this engine runs C#\n"), await RunAsync("run", "python.ipynb"));
        Assert.Equal(["python.ipynb"], Directory.GetFiles(folder).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("none.ipynb: there is no such file", "none.ipynb")]
    [InlineData("text.ipynb: is not a notebook (no JSON: ", "text.ipynb")]
    [InlineData("good.ipynb: has no parameter 'stepz'; it has steps (int)", "good.ipynb", "stepz=1")]
    [InlineData("good.ipynb: parameter 'steps' must be an int (a whole number), and 'many' is none", "good.ipynb", "steps=many")]
    [InlineData("--to pdf: only html can be made", "good.ipynb", null, null, "pdf")]
    [InlineData("--timeout is '0': write a time such as 90s, 10m or 2h", "good.ipynb", null, null, null, "0")]
    [InlineData("--timeout is 'soon': write a time such as 90s, 10m or 2h", "good.ipynb", null, null, null, "soon")]
    [InlineData("-o page.html: the executed notebook needs a name that ends in .ipynb", "good.ipynb", null, "page.html")]
    public void Nothing_runs_when_the_input_is_bad(string message, string notebook, string? parameter = null, string? output = null, string? to = null, string? timeout = null)
    {
        Write("text.ipynb", "# Title");
        Write("good.ipynb", NotebookFile.Of("# tag: parameters\nvar steps = 1;"));
        var settings = new RunCommand.Settings { Notebook = Path.Combine(folder, notebook), Parameters = parameter is null ? [] : [parameter], Output = output, To = to, Timeout = timeout };

        var e = Assert.Throws<UserException>(() => new RunCommand().Execute(null!, settings, TestContext.Current.CancellationToken));

        Assert.StartsWith(message, e.Message.Replace(folder + Path.DirectorySeparatorChar, "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public async Task A_thread_of_the_cell_s_own_ends_with_it_and_not_with_the_program()
    {
        Write("a.ipynb", NotebookFile.Of("var n = 0;\nvar t = new System.Threading.Thread(() => { while (true) n++; });\nt.Start();\nt.Join();"));
        using var process = Start("run", "a.ipynb", "--timeout", "5s");

        var errors = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(1, process.ExitCode);
        Assert.DoesNotContain("Unhandled exception", errors, StringComparison.Ordinal);
        Assert.Contains("a.ipynb", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cell_that_ends_the_process_fails_the_run()
    {
        Write("a.ipynb", NotebookFile.Of("\"done\"", "Console.Write(\"before\");\nEnvironment.Exit(0);", "3"));

        var (code, _, errors) = await RunAsync("run", "a.ipynb");

        Assert.Equal(1, code);
        Assert.Contains("cell 2: the process ended while the cell ran", errors, StringComparison.Ordinal);
        var cells = NotebookDocument.Load(Path.Combine(folder, "a.out.ipynb")).Cells;
        Assert.StartsWith("**This run failed in [cell 2]", cells[0].Source, StringComparison.Ordinal);
        Assert.Contains("before", cells[3].Outputs.ToJsonString(), StringComparison.Ordinal);
        NotebookFile.RequireValid(Path.Combine(folder, "a.out.ipynb"));
    }

    [Fact]
    public async Task What_a_process_that_died_has_left_says_where_it_was()
    {
        Write("a.ipynb", NotebookFile.Of("\"done\"", "Environment.FailFast(\"dead\");"));

        var (code, _, _) = await RunAsync("run", "a.ipynb");

        Assert.NotEqual(0, code);
        var cells = NotebookDocument.Load(Path.Combine(folder, "a.out.ipynb")).Cells;
        Assert.Equal("**Cell 2 is running.** If nothing runs any more, the process ended in it.", cells[0].Source);
        Assert.Contains("done", cells[1].Outputs.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_command_names_those_that_notebooks_have()
    {
        var (code, _, errors) = await RunAsync("foo");
        Assert.Equal((1, "error: unknown command 'foo'; known are notebook run, notebook install-kernel, notebook bench\n"), (code, errors));
    }

    [Fact]
    public async Task A_users_mistake_in_a_cell_is_one_line_and_its_place()
    {
        Write("a.ipynb", NotebookFile.Of("\n#r \"missing.dll\""));
        var (_, _, errors) = await RunAsync("run", "a.ipynb");
        Assert.EndsWith("error: a.ipynb: cell 1: #r \"missing.dll\": there is no such file in the notebook's folder or the working folder\n   cell 1, line 2\n", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_time_limit_is_the_cells_own()
    {
        Write("a.ipynb", NotebookFile.Of("System.Threading.Thread.Sleep(100_000);"));
        var (_, _, errors) = await RunAsync("run", "a.ipynb", "--timeout", "1s");
        Assert.Contains("cell 1: Timeout: the cell ran longer than its limit of 1 s\n", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_ends_it_with_what_there_is_saved()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no SIGINT to send");
        Write("a.ipynb", NotebookFile.Of("\"done\"", "System.IO.File.WriteAllText(\"mark\", \"\");\nwhile (true) { }"));
        using var process = Start("run", "a.ipynb");
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        for (var i = 0; i < 600 && !process.HasExited && !File.Exists(Path.Combine(folder, "mark")); i++) await Task.Delay(100, TestContext.Current.CancellationToken);

        _ = Kill(process.Id, 2);
        var ended = process.WaitForExit(TimeSpan.FromMinutes(1));
        if (!ended) process.Kill();

        Assert.True(ended && process.ExitCode == 130, ended ? await errors : "it did not end (is SIGINT ignored where the tests were started?)");
        var cells = NotebookDocument.Load(Path.Combine(folder, "a.out.ipynb")).Cells;
        Assert.StartsWith("**This run was stopped in [cell 2]", cells[0].Source, StringComparison.Ordinal);
        Assert.Contains("done", cells[1].Outputs.ToJsonString(), StringComparison.Ordinal);
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int process, int signal);

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(folder, name), text);

    private string Read(string name) => File.ReadAllText(Path.Combine(folder, name));

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, (await output).ReplaceLineEndings("\n"), (await errors).ReplaceLineEndings("\n"));
    }

    private Process Start(params string[] arguments)
    {
        var program = typeof(NotebookDocument).Assembly.Location;
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", program, "notebook", .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }
}
