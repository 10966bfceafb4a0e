using System.Globalization;

namespace JepaT.Lab;

/// <summary>A network: its parts with the number of their weights; of a JEPA-T model also how many of them its fusion leaves in use.</summary>
internal sealed class ModelView : View
{
    private readonly TitledView view;

    public ModelView(nn.Module module)
    {
        var model = module as JepaModel;
        var used = model?.UsedWeights().Select(w => w.Value.Handle).ToHashSet();
        var weights = module.named_parameters().Select(p => (Parts: p.name.Split('.'), Count: p.parameter.numel(), Used: used?.Contains(p.parameter.Handle) ?? true)).ToList();
        var rows = weights.GroupBy(w => string.Join('.', w.Parts.Take(2).Where((part, i) => i == 0 || w.Parts.Length > 2)))
            .Select(IReadOnlyList<TableCell> (g) => [new(Name(g.Key, g.Select(w => w.Parts))), new(Count(g.Sum(w => w.Count))), new(Count(g.Sum(w => w.Used ? w.Count : 0)))]).ToList();
        var (total, inUse) = (weights.Sum(w => w.Count), weights.Sum(w => w.Used ? w.Count : 0));
        rows.Add([new("all", true), new(Count(total), true), new(Count(inUse), true)]);
        var title = model is null ? $"{module.GetName()}: {Count(total)} parameters"
            : $"JEPA-T, fusion {model.Config.Fusion}: {Count(total)} parameters, {Count(inUse)} in use; {model.Config.Tokens} tokens of {model.Config.TokenDim} numbers";
        view = new TitledView(title, new TableView(["part", "parameters", "in use"], rows));
    }

    public override string ToHtml() => view.ToHtml();

    public override string ToString() => view.ToString();

    // Blocks of a list are one row with their number.
    private static string Name(string key, IEnumerable<string[]> parts)
    {
        var blocks = parts.Where(p => p.Length > 2 && int.TryParse(p[2], out _)).Select(p => p[2]).Distinct().Count();
        return blocks > 1 ? $"{key} × {blocks}" : key;
    }

    private static string Count(long n) => n.ToString("N0", CultureInfo.InvariantCulture);
}
