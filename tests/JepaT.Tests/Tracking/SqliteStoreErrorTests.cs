using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class SqliteStoreErrorTests : IDisposable
{
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(1);
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("./mlruns", "since MLflow 3.13")]
    [InlineData("file:///tmp/mlruns", "since MLflow 3.13")]
    [InlineData("postgresql://host/db", "use sqlite:///mlflow.db")]
    [InlineData("sqlite:///", "names no file")]
    [InlineData("sqlite:///:memory:", "names no file")]
    public void An_address_that_is_no_database_file_is_refused(string uri, string mend) => Refused(mend, () => SqliteStore.Open(uri));

    [Fact]
    public void A_database_locked_by_another_program_is_named_after_the_patience()
    {
        using (folder.Open()) { }
        using var other = folder.Connect();
        using var transaction = other.BeginTransaction(deferred: false);

        Refused("locked by another program", () => folder.Open(Short));
    }

    [Fact]
    public void A_file_that_is_no_database_a_foreign_database_and_a_damaged_one_are_told_apart()
    {
        File.WriteAllText(folder.File, new string('x', 5000));
        Refused("not an SQLite database", () => folder.Open());

        File.Delete(folder.File);
        folder.Execute("CREATE TABLE notes (text)");
        Refused("another program", () => folder.Open());
        Assert.Equal(["notes"], folder.Rows("SELECT name FROM sqlite_master"));

        File.Delete(folder.File);
        using (folder.Open()) { }
        var bytes = File.ReadAllBytes(folder.File);
        File.WriteAllBytes(folder.File, bytes[..(bytes.Length / 2)]);
        Refused("damaged", () => { using var store = folder.Open(); return store.GetOrCreateExperiment("test"); });
    }

    [Fact]
    public void A_database_of_an_unknown_revision_works_as_long_as_it_has_what_we_write()
    {
        using (folder.Open()) { }
        folder.Execute("UPDATE alembic_version SET version_num = 'ffffffffffff'");
        folder.Execute("ALTER TABLE inputs ADD COLUMN step BIGINT DEFAULT '0' NOT NULL");
        folder.Execute("CREATE TABLE new_table (x)");

        using var store = folder.Open();
        var run = store.CreateRun(store.GetOrCreateExperiment("test"), "run", 1).RunId;
        store.LogInputs(run, [new("d", "a1b2c3d4", "training", "{}")]);

        Assert.Single(store.GetRun(run).Inputs);
        Assert.Equal(["ffffffffffff"], folder.Rows("SELECT version_num FROM alembic_version"));
    }

    [Fact]
    public void A_newer_database_without_a_column_of_ours_or_that_wants_more_is_refused_by_name()
    {
        using (folder.Open()) { }
        folder.Execute("ALTER TABLE latest_metrics RENAME COLUMN is_nan TO kind");
        Refused("latest_metrics.is_nan", () => folder.Open());

        folder.Execute("ALTER TABLE latest_metrics RENAME COLUMN kind TO is_nan");
        folder.Execute("DROP TABLE input_tags");
        folder.Execute("CREATE TABLE input_tags (input_uuid TEXT, name TEXT, value TEXT, owner TEXT NOT NULL)");
        Refused("input_tags.owner", () => folder.Open());
    }

    [Fact]
    public void A_full_disk_is_said_and_leaves_the_database_whole()
    {
        using var store = folder.Open();
        var run = store.CreateRun(store.GetOrCreateExperiment("test"), "run", 1).RunId;
        var pages = long.Parse(folder.Rows("PRAGMA page_count").Single(), System.Globalization.CultureInfo.InvariantCulture);
        store.LimitPages(pages + 1);        // the disk's end, as SQLite sees it

        Refused("disk is full", () => { store.LogBatch(run, Enumerable.Range(0, 1000).Select(i => new Metric("m", i, i, i)).ToArray(), [], []); return run; });

        store.LimitPages(pages + 1000);
        store.LogBatch(run, [new("m", 1, 1, 1)], [], []);
        Assert.Single(store.MetricHistory(run, "m"));
        Assert.Equal(["ok"], folder.Rows("PRAGMA integrity_check"));
    }

    [Fact]
    public void An_unwritable_folder_is_named()
    {
        // The process may be root, for whom rights mean nothing: a file where the folder should be stops anyone.
        File.WriteAllText(Path.Combine(folder.Path, "results"), "");
        Refused("cannot write into the folder", () => SqliteStore.Open($"sqlite:///{folder.Path}/results/mlflow.db"));
        Directory.CreateDirectory(folder.File);
        Refused("is a folder", () => folder.Open());
        Assert.SkipUnless(Directory.Exists("/proc/self"), "no /proc here");
        Refused("/proc", () => SqliteStore.Open("sqlite:////proc/mlflow.db"));
    }

    [Fact]
    public void A_read_only_database_can_be_read_but_not_logged_into()
    {
        using (folder.Open()) { }
        Assert.SkipWhen(Environment.IsPrivilegedProcess, "root may write everything");
        File.SetAttributes(folder.File, FileAttributes.ReadOnly);

        Refused("read-only", () => folder.Open());
        using (var store = SqliteStore.Open(folder.Uri, readOnly: true)) Assert.Single(store.Experiments());
        File.SetAttributes(folder.File, FileAttributes.Normal);
    }

    [Fact]
    public void Listing_does_not_make_a_database()
    {
        Refused("there is no database", () => SqliteStore.Open(folder.Uri, readOnly: true));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    private static void Refused(string part, Func<object> action)
    {
        var e = Assert.Throws<UserException>(() => { action(); });
        Assert.Contains(part, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }
}
