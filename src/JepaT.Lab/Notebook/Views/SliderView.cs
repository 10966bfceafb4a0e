using System.Text;

namespace JepaT.Lab;

/// <summary>
/// One of several views at a time. A row of radio buttons on a line is the slider (a click, or the arrow keys), and the style sheet shows
/// the chosen view: nothing to compute, so a saved page needs neither kernel nor scripts. Where styles are taken away all views show.
/// </summary>
internal sealed class SliderView(IReadOnlyList<(string Label, View View)> frames) : View
{
    public override string ToHtml()
    {
        if (frames.Count == 0) return "";
        var parts = frames.Select(f => (f.Label, Html: new Html(f.View.ToHtml()))).ToList();
        var name = Html.Id("slider", parts[^1].Html.Markup);
        var last = frames.Count - 1;
        // Inputs stand before the views they choose among, as siblings: a style sheet can look forward only.
        var inputs = Html.Join(parts.Select((p, i) => Html.Of(
            $"""<input type="radio" name="{name}" id="{name}-{i}" aria-label="{p.Label}" title="{p.Label}" style="margin:0;position:relative"{new Html(i == last ? " checked" : "")}>""")));
        var views = Html.Join(parts.Select((p, i) => Html.Of(
            $"""<div class="{name}-f {name}-f{i}"><div style="opacity:.8;margin:4px 0">{p.Label}</div>{p.Html}</div>""")));
        var rules = new StringBuilder($".{name}-f{{display:none;flex-basis:100%}}");
        for (var i = 0; i <= last; i++) rules.Append($"#{name}-{i}:checked~.{name}-f{i}{{display:block}}");
        return Html.Of($"""<style>{new Html(rules.ToString())}</style><div style="display:flex;flex-wrap:wrap;gap:6px {(frames.Count > 20 ? 4 : 14)}px;align-items:center;{Html.Font}">{inputs}{views}</div>""").Markup;
    }

    public override string ToString() => string.Join("\n\n", frames.Select(f => $"{f.Label}\n{f.View}"));
}
