using System.Runtime.CompilerServices;

namespace JepaT.Tests;

/// <summary>Whoever runs the tests may have a tracking server in the environment: no test shall ever log to it, or send its login anywhere.</summary>
internal static class NoTrackingServer
{
    [ModuleInitializer]
    internal static void Forget()
    {
        foreach (var name in Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(n => n.StartsWith("MLFLOW_", StringComparison.Ordinal)))
            Environment.SetEnvironmentVariable(name, null);
    }
}
