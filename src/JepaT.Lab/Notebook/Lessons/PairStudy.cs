using System.Globalization;

namespace JepaT.Lab;

/// <summary>What was asked for, and what the feature network sees in a picture of it.</summary>
/// <param name="Pair">Asked.</param>
/// <param name="Item">Seen.</param>
/// <param name="Colour">Seen.</param>
/// <param name="Png">The picture.</param>
public sealed record JudgedPicture(Pair Pair, int Item, int Colour, byte[] Png)
{
    /// <summary>Whether item and colour are as asked.</summary>
    public bool IsRight => Item == Pair.Item && Colour == Pair.Colour;
}

/// <summary>
/// Open vocabulary, measured: a model draws every pair of colour and item several times, the 16 that never occur in training among them,
/// and the feature network says what it sees.
/// </summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class PairStudy
{
    private const int Batch = 80;

    private PairStudy(string name, int each, IReadOnlyList<JudgedPicture> pictures) => (Name, Each, Pictures) = (name, each, pictures);

    /// <summary>The model's fusion.</summary>
    public string Name { get; }

    /// <summary>Pictures of each pair.</summary>
    public int Each { get; }

    /// <summary>All pictures with what is seen in them.</summary>
    public IReadOnlyList<JudgedPicture> Pictures { get; }

    /// <summary>The share of right pictures of each pair: a row an item, a column a colour; pairs that training never showed have a frame.</summary>
    public View Map
    {
        get
        {
            const string bare = "background:transparent";
            var head = Html.Join(Vocabulary.Colours.Select(c => Html.Of($"""<th style="padding:3px 6px;text-align:center;font-weight:600">{c}</th>""")));
            var rows = Html.Join(Vocabulary.Items.Select((item, i) => Html.Of($"""
                <tr style="{bare}"><th style="padding:3px 8px;text-align:left;font-weight:600;white-space:nowrap">{item}</th>
                {Html.Join(Vocabulary.Colours.Select((_, c) => Cell(i, c)))}</tr>
                """)));
            return new MapView(Html.Of($"""
                <div style="{Html.Font}"><table style="border-collapse:separate;border-spacing:3px;border:0">
                <thead><tr style="{bare}"><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>
                <div style="opacity:.75">Share of the pictures, {Each} of each pair, in which the feature network sees item and colour as asked.
                Framed: pairs that never occur in training.</div></div>
                """), Summary.ToString());
        }
    }

    /// <summary>Alignment on seen and on held-out pairs: both, item alone, colour alone.</summary>
    public View Summary => Compare([this]);

    /// <summary>Draws and judges all pairs.</summary>
    /// <param name="model">The model.</param>
    /// <param name="each">Pictures of each pair.</param>
    /// <param name="stop">By default <see cref="Notebook.Stop"/>.</param>
    /// <exception cref="UserException">The model draws grey pictures: they have no pairs.</exception>
    public static PairStudy Measure(TrainedModel model, int each = 4, CancellationToken? stop = null)
    {
        if (model.Model.Config.Channels == 1) throw new UserException("this model draws grey pictures, which have no colour: take one trained on fashion-mnist-tinted");
        if (each < 1) throw new UserException($"{each} pictures of each pair: ask for at least 1");
        var token = stop ?? Notebook.Stop;
        var asked = Vocabulary.Pairs.SelectMany(p => Enumerable.Repeat(p, each)).ToList();
        using var network = FeatureNetwork.Load(model.Model.Unconditional(1).device);
        using var live = Notebook.Live();
        var judged = new List<JudgedPicture>();
        var perCall = Math.Max(1, Batch / each);
        foreach (var pairs in Vocabulary.Pairs.Chunk(perCall))
        {
            token.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var images = model.Images([.. pairs.Select(p => Vocabulary.Caption(p.Item, p.Colour))], each);
            using var seen = network.Extract(images);
            var (items, colours) = (seen.ItemLogits.argmax(1).cpu().data<long>().ToArray(), seen.ColourLogits.argmax(1).cpu().data<long>().ToArray());
            var pngs = ImageGrid.Each(images);
            judged.AddRange(pngs.Select((png, i) => new JudgedPicture(pairs[i / each], (int)items[i], (int)colours[i], png)));
            live.Update($"{model.Experiment.Fusion}: {judged.Count} of {asked.Count} pictures judged");
        }
        return new(model.Experiment.Fusion.ToString(), each, judged);
    }

    /// <summary>Several models beside each other.</summary>
    public static View Compare(params IEnumerable<PairStudy> studies) => View.Table(
        ["fusion", "held-out: both", "item", "colour", "seen: both", "item", "colour"],
        studies.Select(s => (IReadOnlyList<string>)[s.Name, .. s.Shares(heldOut: true), .. s.Shares(heldOut: false)]),
        "Alignment by the feature network. Held-out: the 16 pairs of colour and item that never occur in training.");

    /// <summary>Held-out pairs as rows, models as columns: where each of them fails.</summary>
    public static View WhereTheyFail(params IEnumerable<PairStudy> studies)
    {
        var all = studies.ToList();
        return new TableView(["held-out pair", .. all.Select(s => s.Name)],
            [.. Vocabulary.HeldOutPairs.Select(IReadOnlyList<TableCell> (p) => [new(Vocabulary.Caption(p.Item, p.Colour)), .. all.Select(s => s.CellOf(p))])],
            "Share of right pictures, and what is seen instead most often. In bold: less than half are right.");
    }

    /// <summary>Pictures that are not as asked, held-out pairs first, each with what is seen in it.</summary>
    public View Failures(int most = 16)
    {
        var wrong = Pictures.Where(p => !p.IsRight).OrderByDescending(p => Vocabulary.IsHeldOut(p.Pair.Item, p.Pair.Colour)).Take(most).ToList();
        return wrong.Count == 0 ? new TextView("all pictures are as asked")
            : new GridView([.. wrong.Select(p => new PictureView(p.Png, $"{Vocabulary.Caption(p.Pair.Item, p.Pair.Colour)}: seen as {Vocabulary.Caption(p.Item, p.Colour)}"))], 8);
    }

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => Map.ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => Summary.ToString();

    private string[] Shares(bool heldOut)
    {
        var pictures = Pictures.Where(p => Vocabulary.IsHeldOut(p.Pair.Item, p.Pair.Colour) == heldOut).ToList();
        return [Share(pictures, p => p.IsRight), Share(pictures, p => p.Item == p.Pair.Item), Share(pictures, p => p.Colour == p.Pair.Colour)];
    }

    private Html Cell(int item, int colour)
    {
        var share = ShareOf(new Pair(item, colour));
        var frame = Vocabulary.IsHeldOut(item, colour) ? "2px solid currentColor" : "2px solid transparent";
        return Html.Of($"""<td style="padding:3px 6px;text-align:center;border:{frame};background:rgba(0,158,115,{share * 0.6:0.##})">{share:0%}</td>""");
    }

    private double ShareOf(Pair pair) => Pictures.Where(p => p.Pair == pair).Average(p => p.IsRight ? 1.0 : 0);

    private TableCell CellOf(Pair pair)
    {
        var share = ShareOf(pair);
        var instead = Pictures.Where(p => p.Pair == pair && !p.IsRight).GroupBy(p => (p.Item, p.Colour)).MaxBy(g => g.Count());
        var text = share.ToString("0%", CultureInfo.InvariantCulture);
        return new(instead is null ? text : $"{text}, {Vocabulary.Colours[instead.Key.Colour]} {Vocabulary.Items[instead.Key.Item]}", share < 0.5);
    }

    private static string Share(List<JudgedPicture> pictures, Func<JudgedPicture, bool> right) =>
        pictures.Count == 0 ? "–" : ((double)pictures.Count(right) / pictures.Count).ToString("0.0%", CultureInfo.InvariantCulture);

    private sealed class MapView(Html html, string text) : View
    {
        public override string ToHtml() => html.Markup;

        public override string ToString() => text;
    }
}
