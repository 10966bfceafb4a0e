using System.Globalization;

namespace JepaT.Lab;

/// <summary>
/// The stop of hosts that have no interrupt that works: a token that is cancelled when a file appears or a time budget ends. Once the
/// file is gone (or <see cref="Restart"/> was called) the next cell gets a fresh one.
/// </summary>
internal sealed class StopFile : IDisposable
{
    /// <summary>The file that stops.</summary>
    public const string Name = "stop";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly Func<string> file;
    private readonly Func<string?> budget;
    private readonly TimeProvider clock;
    private readonly Lock gate = new();
    private CancellationTokenSource source = new();
    private ITimer? timer;
    private long started;
    private TimeSpan? limit;

    public StopFile(Func<string> file, Func<string?> budget, TimeProvider clock)
    {
        (this.file, this.budget, this.clock) = (file, budget, clock);
        started = clock.GetTimestamp();
    }

    /// <summary>The one of this process.</summary>
    public static StopFile Shared { get; } = new(() => Path.Combine(Notebook.Folder, Name), () => Environment.GetEnvironmentVariable("JEPAT_BUDGET"), TimeProvider.System);

    /// <summary>Begins the time budget anew.</summary>
    /// <exception cref="UserException">JEPAT_BUDGET is no time.</exception>
    public void Restart()
    {
        lock (gate)
        {
            limit = ParseBudget(budget());
            started = clock.GetTimestamp();
            if (source.IsCancellationRequested) source = new();
        }
    }

    public CancellationToken Token
    {
        get
        {
            lock (gate)
            {
                if (source.IsCancellationRequested && !IsDue()) source = new();
                timer ??= clock.CreateTimer(_ => Look(), null, Interval, Interval);
            }
            Look();
            return source.Token;
        }
    }

    public void Dispose()
    {
        timer?.Dispose();
        source.Dispose();
    }

    private void Look()
    {
        CancellationTokenSource? due = null;
        lock (gate)
            if (!source.IsCancellationRequested && IsDue()) due = source;
        due?.Cancel();                      // outside of the lock: callbacks may ask for the token
    }

    private bool IsDue() => File.Exists(file()) || limit is { } l && clock.GetElapsedTime(started) >= l;

    /// <summary>Seconds, or a number with <c>s</c>, <c>m</c> or <c>h</c>; null for none.</summary>
    internal static TimeSpan? ParseBudget(string? text, string name = "JEPAT_BUDGET")
    {
        if (string.IsNullOrWhiteSpace(text)) return null;
        var (number, unit) = text[^1] switch { 's' => (text[..^1], 1), 'm' => (text[..^1], 60), 'h' => (text[..^1], 3600), _ => (text, 1) };
        return double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var n) && n > 0 && n * unit < 4e6
            ? TimeSpan.FromSeconds(n * unit)
            : throw new UserException($"{name} is '{text}': write a time such as 90s, 10m or 2h");
    }
}
