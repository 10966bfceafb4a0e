using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>Copies that are interrupted, refused, lied to, or two at once.</summary>
public sealed class StoreCopyFailureTests : IDisposable
{
    private readonly TrackingFolder from = new(), to = new();

    public void Dispose()
    {
        from.Dispose();
        to.Dispose();
    }

    [Fact]
    public void A_copy_interrupted_at_any_write_is_finished_by_the_next_one()
    {
        using var source = from.Open();
        StoreCopySample.Fill(source);
        var wanted = StoreCopySample.Rows(from);

        var interruptions = 0;
        for (var at = 1; ; at++)
        {
            using var target = new StoreWrapper(to.Open()) { BeforeWrite = n => { if (n == at + 3) throw new InvalidOperationException("the power is gone"); } };
            try
            {
                Copy(source, target);
                break;
            }
            catch (InvalidOperationException)
            {
                interruptions++;
                Assert.All(target.SearchRuns(new()), r => Assert.NotEmpty(r.Tags["jepat.origin"]));
            }
        }

        Assert.True(interruptions > 5, $"{interruptions}");
        Assert.Equal(wanted, StoreCopySample.Rows(to));
    }

    [Fact]
    public void A_run_that_is_out_of_reach_stops_the_copy_with_what_to_do_and_one_that_is_refused_does_not_stop_the_others()
    {
        using var source = from.Open();
        StoreCopySample.Fill(source);
        using var away = new StoreWrapper(to.Open())
        {
            BeforeWrite = n => { if (n > 8) throw new UserException("the server is away"); },
            Transient = e => e.Message.Contains("away", StringComparison.Ordinal),
        };
        var stopped = Assert.Throws<UserException>(() => Copy(source, away));
        Assert.Contains("the server is away; what is copied stays, the same command goes on", stopped.Message, StringComparison.Ordinal);

        var refused = 0;
        using var target = new StoreWrapper(to.Open()) { BeforeWrite = n => { if (n == 20 && refused++ == 0) throw new UserException("no"); } };
        var report = Copy(source, target);
        Assert.Matches("^run '.+' \\([0-9a-f]{32}\\): no$", Assert.Single(report.Problems));
        Assert.Empty(Copy(source, target).Problems);
        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));
    }

    [Theory]
    [InlineData("../../../outside.txt")]
    [InlineData("/outside.txt")]
    [InlineData("a/../../../../outside.txt")]
    [InlineData("..\\outside.txt")]
    [InlineData("a//b")]
    [InlineData("%2e%2e/outside.txt")]
    [InlineData("images/stray.png")]
    public void A_file_with_a_hostile_name_is_refused_told_and_written_nowhere(string name)
    {
        using var source = from.Open();
        StoreCopySample.Fill(source);
        using var hostile = new StoreWrapper(source) { Listing = files => [.. files, new(name, 3)], Opening = path => path == name ? new MemoryStream([1, 2, 3]) : null };
        using var target = to.Open();

        var report = Copy(hostile, target, new() { Experiment = "other" });

        Assert.Contains("artifact '", Assert.Single(report.Problems), StringComparison.Ordinal);
        Assert.Equal((1, 0), (report.Created, report.Files));
        Assert.DoesNotContain(Directory.EnumerateFiles(to.Path, "*", SearchOption.AllDirectories), f => f != to.File);
        Assert.False(File.Exists(Path.Combine(Path.GetTempPath(), "outside.txt")) || File.Exists("/outside.txt"));
        Assert.Single(Copy(hostile, target, new() { Experiment = "other" }).Problems);      // and told again, as long as it is so
        Assert.Equal(0, Copy(source, target, new() { Experiment = "other" }).Created);
    }

    [Fact]
    public void A_file_that_breaks_off_is_read_again_and_leaves_nothing_half()
    {
        using var source = from.Open();
        StoreCopySample.Fill(source);
        var breaks = 1;
        using var shaky = new StoreWrapper(source) { Opening = path => path == "last.bin" && breaks-- > 0 ? new BrokenStream() : null };
        using var target = to.Open();

        Assert.Empty(Copy(shaky, target).Problems);

        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));
        Assert.DoesNotContain(Directory.EnumerateFiles(to.Path, "*", SearchOption.AllDirectories), f => f.Contains(".incoming", StringComparison.Ordinal));
    }

    [Fact]
    public void Two_copies_at_once_are_refused_or_leave_no_run_twice()
    {
        using (var source = from.Open()) StoreCopySample.Fill(source);
        using (var held = to.Open())
        using (CopyLock.Take(held))
        {
            var error = new StringWriter();
            Assert.Equal(1, Cli.Run(["runs", "push", "--from", from.Uri, "--to", to.Uri], error));
            Assert.Contains("another program is copying runs to", error.ToString(), StringComparison.Ordinal);
        }

        // Without the lock (two machines, one server) both have looked before either has made a run.
        using var reader = from.Open();
        using var theirs = to.Open();
        using var ours = new StoreWrapper(to.Open());
        var (their, our, late) = (new StoreCopy(reader, theirs, new()), new StoreCopy(reader, ours, new()), new StoreCopy(reader, theirs, new()));
        var (theirPlan, ourPlan, latePlan) = (their.Plan(), our.Plan(), late.Plan());
        ours.OnCreated = () =>
        {
            ours.OnCreated = () => { };
            Refused(() => { their.Copy(theirPlan); });
        };
        Assert.Empty(our.Copy(ourPlan).Problems);
        Refused(() => late.Copy(latePlan));
        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));
        Assert.Equal(5, Copy(reader, theirs).Unchanged);

        static void Refused(Action copy) => Assert.Contains("another program is copying the same runs", Assert.Throws<UserException>(copy).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_copy_that_is_stopped_in_the_middle_of_a_file_goes_on()
    {
        using var source = from.Open();
        StoreCopySample.Fill(source);
        using var stop = new CancellationTokenSource();
        using var slow = new StoreWrapper(source) { Opening = path => { if (path.EndsWith(".safetensors", StringComparison.Ordinal)) stop.Cancel(); return null; } };
        using var target = to.Open();

        var copy = new StoreCopy(slow, target, new(), stop.Token);
        Assert.Throws<OperationCanceledException>(() => copy.Copy(copy.Plan()));
        Assert.Contains("RUNNING", to.Rows("SELECT status FROM runs"));
        Copy(source, target);
        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));
    }

    [Theory]
    [InlineData("runs push", "--to is missing and MLFLOW_TRACKING_URI is not set")]
    [InlineData("runs pull", "--from is missing and MLFLOW_TRACKING_URI is not set")]
    [InlineData("runs merge a.db", "--to is missing")]
    [InlineData("runs push --from a/nothing.db --to b.db", "there is no database")]
    [InlineData("runs push --form a", "./lab runs push: unknown option --form; the nearest known one is --from")]
    public void A_mistake_is_one_line(string line, string message)
    {
        var error = new StringWriter();
        Assert.Equal(1, Cli.Run(line.Replace("b.db", to.File, StringComparison.Ordinal).Split(' '), error));
        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
        Assert.Single(error.ToString().TrimEnd().Split('\n'));
    }

    [Fact]
    public void A_store_is_not_copied_to_itself()
    {
        using var source = from.Open();
        Assert.Contains("both the source and the target", Assert.Throws<UserException>(() => Copy(source, source)).Message, StringComparison.Ordinal);
    }

    private static CopyReport Copy(ITrackingStore source, ITrackingStore target, CopyOptions? options = null)
    {
        var copy = new StoreCopy(source, target, options ?? new());
        return copy.Copy(copy.Plan());
    }

    private sealed class BrokenStream : MemoryStream
    {
        private bool once;

        public override bool CanSeek => false;

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (once) throw new MlflowException("the connection is gone") { IsTransient = true };
            once = true;
            buffer[offset] = 9;
            return 1;
        }
    }
}
