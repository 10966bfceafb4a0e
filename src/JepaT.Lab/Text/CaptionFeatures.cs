namespace JepaT.Lab;

/// <summary>
/// The text of a data set's captions by their numbers. A few thousand captions, as of classes, are encoded once and stay on the device; of
/// more, only those of a batch are encoded, when it comes, so memory does not grow with their number.
/// </summary>
internal sealed class CaptionFeatures : IDisposable
{
    /// <summary>Captions up to which all are kept: with 77 tokens by CLIP they take 650 MB, pooled 8 MB.</summary>
    public const int MostKept = 4096;

    private readonly IReadOnlyList<string> captions;
    private readonly ITextEncoder text;
    private readonly TextForm form;
    private readonly Device device;
    private readonly TextFeatures? kept;                // a row a caption

    /// <param name="captions">The captions.</param>
    /// <param name="text">Encodes them.</param>
    /// <param name="form">Pooled or with tokens.</param>
    /// <param name="device">Where the features go.</param>
    /// <param name="anew">Encodes them each time, however few there are.</param>
    /// <exception cref="UserException">A caption is empty or too long.</exception>
    public CaptionFeatures(IReadOnlyList<string> captions, ITextEncoder text, TextForm form, Device device, bool anew = false)
    {
        (this.captions, this.text, this.form, this.device) = (captions, text, form, device);
        if (anew || captions.Count > MostKept) text.Check(captions);            // before the first step, not when the caption comes
        else kept = text.Encode(captions, form).Each(t => t.to(device).DetachFromDisposeScope());
    }

    /// <summary>Rows of the captions with these numbers, (B) int64 on the device; of the caller's dispose scope.</summary>
    public TextFeatures Of(Tensor ids) => kept is not null
        ? kept.Each(t => t.index_select(0, ids))
        : text.Encode([.. ids.cpu().data<long>().Select(id => captions[(int)id])], form).Each(t => t.to(device));

    public void Dispose() => kept?.Dispose();
}
