using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>Ctrl-C and SIGTERM as a token: the program saves and ends by itself. A second Ctrl-C ends it at once.</summary>
internal sealed class StopSignal : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    private readonly string what;

    /// <param name="what">What the program does before it ends.</param>
    public StopSignal(string what = "saving a checkpoint")
    {
        this.what = what;
        registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle)];
    }

    public CancellationToken Token => source.Token;

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        if (source.IsCancellationRequested) return;             // the second time the default happens
        context.Cancel = true;
        Console.Error.WriteLine($"\nstopping: {what} (again to end at once) …");
        source.Cancel();
    }
}
