using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>The command line, called in this process.</summary>
internal static class CommandRun
{
    /// <summary>Runs a command; gives its exit code and what it says of a failure.</summary>
    public static (int Code, string Error) Run(params string[] args)
    {
        var error = new StringWriter { NewLine = "\n" };
        return (Cli.Run(args, error), error.ToString());
    }

    /// <summary>Runs a command that is to fail with exit code 1 and one line, which is given.</summary>
    public static string Fails(params string[] args)
    {
        var (code, error) = Run(args);
        Assert.Equal(1, code);
        Assert.StartsWith("error: ", error, StringComparison.Ordinal);
        Assert.Equal(error.Length - 1, error.IndexOf('\n', StringComparison.Ordinal));
        return error;
    }

    /// <summary>Writes a tiny experiment on tiny data; gives its path.</summary>
    public static string TinyExperiment(TemporaryFolder folder, TinyFashion data)
    {
        var tiny = TrainerTests.Tiny();
        var path = folder.File("tiny.yaml");
        File.WriteAllText(path, ExperimentFile.ToYaml(tiny with { Data = tiny.Data with { Folder = data.Folder } }));
        return path;
    }
}
