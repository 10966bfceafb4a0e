using JepaT.Lab;
using Microsoft.Data.Sqlite;
using SkiaSharp;

namespace JepaT.Tests;

/// <summary>A results folder of its own for a test, gone afterwards, with short ways to look into its database.</summary>
internal sealed class TrackingFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("jepat-tracking-").FullName;

    public string File => System.IO.Path.Combine(Path, "mlflow.db");

    public string Uri => "sqlite:///" + File;

    public SqliteStore Open(TimeSpan? patience = null) => SqliteStore.Open(Uri, patience: patience);

    /// <summary>A connection as another program has it.</summary>
    public SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        connection.Open();
        return connection;
    }

    public void Execute(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>Rows as text, cells joined by <c>|</c>.</summary>
    public List<string> Rows(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => Convert.ToString(reader.GetValue(i), System.Globalization.CultureInfo.InvariantCulture))));
        return rows;
    }

    /// <summary>A picture of one colour with a diagonal, as PNG.</summary>
    public static byte[] Png(int width, int height, SKColor? colour = null)
    {
        using var bitmap = new SKBitmap(width, height);
        bitmap.Erase(colour ?? SKColors.SteelBlue);
        for (var i = 0; i < Math.Min(width, height); i++) bitmap.SetPixel(i, i, SKColors.Black);
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
