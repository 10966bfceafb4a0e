using JepaT.Lab;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>The bridge to each host, proven on stand-ins with the host's public names and its way with values.</summary>
public sealed class NotebookHostsTests : IDisposable
{
    private static readonly byte[] Picture = TrackingFolder.Png(4, 4);

    private readonly INotebookHost before = Notebook.Host;
    private StandInHost? standIn;

    public void Dispose()
    {
        Notebook.Host = before;
        standIn?.Dispose();
    }

    public static TheoryData<string> Hosts => [StandInHost.DotNetInteractive, StandInHost.ClrKernel, StandInHost.Verso];

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Show_hands_one_rendered_form_to_the_host(string name)
    {
        var host = Open(name);

        Notebook.Show("a <b> & \"c\"");
        Notebook.Show(View.Titled("<t>", "x"));
        Notebook.Show(Picture);
        Notebook.Show(null);

        Assert.Equal(["text/plain", "text/html", "image/png"], host.Outputs.Select(o => o[1]));
        Assert.Equal("a <b> & \"c\"", host.Outputs[0][2]);
        Assert.Contains("&lt;t&gt;", host.Outputs[1][2], StringComparison.Ordinal);
        Assert.Equal(Picture, Convert.FromBase64String(host.Outputs[2][2]));
    }

    [Theory]
    [InlineData(StandInHost.DotNetInteractive)]
    [InlineData(StandInHost.ClrKernel)]
    public void A_live_output_changes_in_place_and_ends_with_the_last_state(string name)
    {
        var host = Open(name);

        using (var live = Notebook.Live())
            for (var i = 0; i <= 1000; i++)
                live.Update($"state {i}");

        Assert.Single(host.Outputs.Select(o => o[0]).Distinct());
        Assert.Contains(">state 0<", host.Outputs[0][2], StringComparison.Ordinal);
        Assert.Contains(">state 1000<", host.Outputs[^1][2], StringComparison.Ordinal);
        Assert.InRange(host.Outputs.Count, 2, 30);
    }

    [Theory]
    [InlineData(StandInHost.DotNetInteractive)]
    [InlineData(StandInHost.ClrKernel)]
    public void A_live_output_may_change_its_kind(string name)
    {
        var host = Open(name);

        using (var live = Notebook.Live())
        {
            live.Update("loading");
            live.Update(Picture);
        }

        Assert.Equal(["text/html", "text/html"], host.Outputs.Select(o => o[1]));                  // a handle keeps the type it began with
        Assert.Contains("<img src=\"data:image/png;base64,", host.Outputs[1][2], StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nothing_can_change_the_last_state_is_shown_once()
    {
        var host = Open(StandInHost.Verso);

        using (var live = Notebook.Live())
        {
            live.Update("first");
            Assert.Empty(host.Outputs);
            live.Update("last");
        }

        Assert.Contains(">last<", Assert.Single(host.Outputs)[2], StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void The_last_expression_of_a_cell_is_rendered_by_each_hosts_own_convention(string name)
    {
        var host = Open(name);
        NotebookHosts.RegisterFormatters([.. AppDomain.CurrentDomain.GetAssemblies(), host.Assembly]);
        NotebookHosts.RegisterFormatters([.. AppDomain.CurrentDomain.GetAssemblies(), host.Assembly]);      // the first cell may run twice

        host.ShowResult(View.Titled("<t>", "x"));
        host.ShowResult(TrainerTests.Tiny());

        var html = host.Outputs.Where(o => o[1] == "text/html").Select(o => o[2]).ToList();
        Assert.Equal(2, html.Count);
        Assert.Contains("&lt;t&gt;", html[0], StringComparison.Ordinal);
        Assert.Contains("training.steps", html[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(StandInHost.DotNetInteractive)]
    [InlineData(StandInHost.ClrKernel)]
    public void Hosts_with_a_registry_render_tensors_and_leave_others_to_their_own_formatters(string name)
    {
        var host = Open(name);
        NotebookHosts.RegisterFormatters([.. AppDomain.CurrentDomain.GetAssemblies(), host.Assembly]);
        using var tensor = zeros(2, 3);

        host.ShowResult(tensor);
        host.ShowResult(new Version(1, 2));

        Assert.Contains(host.Outputs, o => o[1] == "text/html" && o[2].Contains("Tensor (2, 3) Float32", StringComparison.Ordinal));
        if (name == StandInHost.ClrKernel) Assert.Contains(host.Outputs, o => o[2] == "<kernel>Version</kernel>");
    }

    [Fact]
    public void The_cells_own_token_stops_where_the_host_shows_it()
    {
        var host = Open(StandInHost.DotNetInteractive);
        var token = Notebook.Stop;
        Assert.False(token.IsCancellationRequested);

        host.Cell.Cancel();

        Assert.True(token.IsCancellationRequested);
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public async Task Off_the_cells_flow_nothing_is_an_exception(string name)
    {
        Open(name).End();

        await Task.Run(() => Notebook.Show("from elsewhere"), TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Without_a_host_views_are_text_on_the_console()
    {
        var output = new StringWriter();
        Notebook.Host = new ConsoleHost(output);

        Notebook.Show(Picture);
        Notebook.Show(View.Titled("title", "text"));
        using (var live = Notebook.Live())
        {
            live.Update("one");
            live.Update("two");
        }

        Assert.Equal(["picture of 4 × 4 pixels", "title", "text", "two"], output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Trim()));
        Assert.IsType<ConsoleHost>(NotebookHosts.Find([typeof(View).Assembly]));
    }

    [Fact]
    public void A_host_whose_names_have_changed_is_no_host()
    {
        using var other = new StandInHost(StandInHost.Verso);

        Assert.Null(DotNetInteractiveHost.Of(other.Assembly));
        Assert.Null(ClrKernelHost.Of(other.Assembly));
        Assert.Null(VersoHost.Of(typeof(View).Assembly));
    }

    private StandInHost Open(string name)
    {
        standIn = new StandInHost(name);
        Notebook.Host = NotebookHosts.Find([standIn.Assembly, typeof(View).Assembly]);
        Assert.NotEqual("a console", Notebook.Host.Name);
        standIn.Begin();
        return standIn;
    }
}
