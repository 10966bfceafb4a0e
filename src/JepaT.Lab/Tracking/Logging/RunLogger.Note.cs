namespace JepaT.Lab;

// The run's description: what a failure adds to it goes again when the run ends well.
public sealed partial class RunLogger
{
    private const string NoteTag = "mlflow.note.content", FailureTag = "jepat.failure";

    private string note = "", failure = "";         // as far as this process knows

    /// <summary>Sets the run's description, shown as Markdown.</summary>
    public void Note(string markdown) => Tag(NoteTag, markdown);

    private void Know(IReadOnlyDictionary<string, string> tags) => (note, failure) = (tags.GetValueOrDefault(NoteTag, ""), tags.GetValueOrDefault(FailureTag, ""));

    /// <summary>The description at the end of a run, and the paragraph of it that tells of a failure; empty where nothing changes.</summary>
    private KeyValuePair<string, string>[] NoteTags(RunStatus status, string? error)
    {
        if (error is null && (status != RunStatus.Finished || failure.Length == 0)) return [];
        Refresh();
        var (text, paragraph) = (Without(note, failure), "");
        if (error is not null)
        {
            var gap = text.Length > 0 ? "\n\n" : "";
            paragraph = MlflowRules.Cut($"**Failed**: {error.Trim()}", Math.Max(0, MlflowRules.MaxTagValue - text.Length - gap.Length));
            if (paragraph.Length > 0) text += gap + paragraph;
        }
        return [KeyValuePair.Create(NoteTag, text), KeyValuePair.Create(FailureTag, paragraph)];
    }

    private static string Without(string text, string paragraph) => paragraph.Length == 0 ? text
        : text.Replace("\n\n" + paragraph, "", StringComparison.Ordinal).Replace(paragraph, "", StringComparison.Ordinal).TrimStart('\n');

    // Someone may have written into the description meanwhile.
    private void Refresh()
    {
        if (store is SpooledStore spooled && (spooled.IsAway || spooled.SpoolOf(id) is not null)) return;
        try
        {
            Know(store.GetRun(id).Tags);
        }
        catch (UserException) { }                   // what is known has to do
    }
}
