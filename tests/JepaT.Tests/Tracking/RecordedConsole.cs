using System.Text;
using Spectre.Console;

namespace JepaT.Tests;

/// <summary>A console that keeps what is written, as a terminal of 120 columns with colours or as a pipe.</summary>
internal sealed class RecordedConsole : IDisposable
{
    private readonly StringWriter text = new() { NewLine = "\n" };

    public RecordedConsole(bool terminal) => Console = AnsiConsole.Create(new AnsiConsoleSettings
    {
        Ansi = terminal ? AnsiSupport.Yes : AnsiSupport.No,
        ColorSystem = terminal ? ColorSystemSupport.TrueColor : ColorSystemSupport.NoColors,
        Interactive = InteractionSupport.No,
        Out = new Output(text, terminal),
    });

    public IAnsiConsole Console { get; }

    public string Text => text.ToString();

    public string[] Lines => Text.TrimEnd('\n').Split('\n');

    public void Dispose() => text.Dispose();

    private sealed class Output(TextWriter writer, bool terminal) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => terminal;

        public int Width => 120;

        public int Height => 50;

        public void SetEncoding(Encoding encoding)
        {
        }
    }
}
