using System.Text;

namespace JepaT.Lab;

/// <summary>
/// One of several views at a time. Radio buttons choose it (a click, or the arrow keys), and the style sheet shows the chosen one: nothing to
/// compute, so a saved page needs neither kernel nor scripts. Where scripts may run, a range input to drag takes the buttons' place; where
/// styles are taken away, all views show.
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
        return Html.Of($"""<style>{new Html(rules.ToString())}</style><div style="display:flex;flex-wrap:wrap;gap:6px {(frames.Count > 20 ? 4 : 14)}px;align-items:center;{Html.Font}">{inputs}{views}</div>{new Html(Draggable(name))}""").Markup;
    }

    // Hidden buttons keep their state, on which the style sheet goes.
    private static string Draggable(string name) => $$"""
        <script>(function(){var a=document.getElementsByName('{{name}}'),r=document.createElement('input'),i;if(a.length<2)return;
        r.type='range';r.min=0;r.max=a.length-1;r.value=a.length-1;r.style.cssText='flex:0 1 320px;margin:0';r.setAttribute('aria-label','slider');
        r.oninput=function(){a[r.value].checked=true};for(i=0;i<a.length;i++)a[i].style.display='none';a[0].parentNode.insertBefore(r,a[0])})();</script>
        """;

    public override string ToString() => string.Join("\n\n", frames.Select(f => $"{f.Label}\n{f.View}"));
}
