namespace JepaT.Lab;

/// <summary>The grid of a run's sample pictures: its shape, and the table that says which prompt stands where.</summary>
internal static class SampleTable
{
    /// <summary>Columns that make the grid about square, with the pictures of a prompt side by side in one row.</summary>
    /// <param name="prompts">Prompts, at least 1.</param>
    /// <param name="pictures">Pictures, equally many of each prompt.</param>
    public static int Columns(int prompts, int pictures)
    {
        var each = Math.Max(1, pictures / prompts);
        return each * (int)Math.Ceiling(Math.Sqrt((double)prompts / each));
    }

    /// <summary>Logs the table <c>sample_prompts</c>; nothing where no pictures are made.</summary>
    public static void Log(IModelEvaluation evaluation, RunLogger log)
    {
        if (evaluation.GridPrompts.Count == 0) return;
        var held = evaluation.GridHeldOut.ToHashSet();
        log.Table("sample_prompts", ["number", "prompt", "never seen in training"], evaluation.GridPrompts.Select((p, i) => (IReadOnlyList<object?>)[i + 1, p, held.Contains(p)]));
    }
}
