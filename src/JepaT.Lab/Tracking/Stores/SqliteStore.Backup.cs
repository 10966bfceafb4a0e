using Microsoft.Data.Sqlite;

namespace JepaT.Lab;

// A copy of the file before a newer MLflow opens it.
public sealed partial class SqliteStore
{
    /// <summary>The revision at which databases are made; MLflow's server takes them to its own.</summary>
    private const string FirstRevision = "acf3f17fdcc7";

    /// <summary>
    /// Copies the database to <c>FILE.before-ui</c> (or <c>-2</c> …: none is overwritten) unless a server has upgraded it already: one that is
    /// killed in the middle of its upgrade can leave a file that none opens again. Programs may write meanwhile: the copy is of one moment.
    /// </summary>
    /// <returns>The copy, or null: none was needed.</returns>
    public string? BackUpBeforeUpgrade() => Guard(() =>
    {
        if (Revision() as string != FirstRevision) return null;
        var copy = File + ".before-ui";
        for (var i = 2; System.IO.File.Exists(copy); i++) copy = $"{File}.before-ui-{i}";
        var part = copy + ".part";
        try
        {
            System.IO.File.Delete(part);
            using (var target = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = part, Pooling = false }.ToString()))
            {
                target.Open();
                connection.BackupDatabase(target);
            }
            System.IO.File.Move(part, copy);
            return copy;
        }
        catch (Exception e) when (e is SqliteException { SqliteErrorCode: not (Busy or Locked or 11 or 26) } or IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{File} cannot be copied to {copy} ({e.Message}), which must be before MLflow upgrades it: make room there, or mend the folder's rights", e);
        }
        finally
        {
            System.IO.File.Delete(part);
        }
    });
}
