using System.Globalization;
using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>
/// A tensor: shape, type, device, range, and a small picture of its values. All from a sample taken at even strides, so that a tensor of
/// gigabytes costs no more than a small one; and without an exception, whatever the tensor is. Read when it is made: the tensor may go.
/// </summary>
internal sealed class TensorView : View
{
    private const int Most = 64, Longest = 512;                                 // rows and columns of the picture; of one that is thin enough
    private readonly string head, values;

    public TensorView(Tensor tensor)
    {
        try
        {
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            head = $"Tensor ({string.Join(", ", tensor.shape)}) {tensor.dtype}, {tensor.device}";
            (values, var sample, var count) = Read(tensor);
            if (sample is not null) Png = TokenPicture.Pixels(sample, count: count);
        }
        catch (Exception e) when (e is ExternalException or InvalidOperationException or NotSupportedException or NotImplementedException or ArgumentException)
        {
            (head, values) = (head ?? "Tensor", $"its values cannot be read ({e.Message.Split('\n')[0].Trim()})");
        }
    }

    public override byte[]? Png { get; }

    public override string ToHtml()
    {
        var text = Html.Of($"""<div style="{Html.Font}"><b>{head}</b><br>{values}</div>""");
        if (Png is null) return text.Markup;
        var picture = new PictureView(Png, text: "values");
        var scale = Math.Clamp(Math.Max(128, 4 * picture.Height) / picture.Height, 1, Math.Clamp(440 / picture.Width, 1, 16));
        return Html.Of($"""<div style="display:flex;gap:12px;align-items:flex-start">{Html.Image(Png, "picture of the values", picture.Width * scale, picture.Height * scale)}{text}</div>""").Markup;
    }

    public override string ToString() => $"{head}, {values}";

    private static (string, double[,]?, int) Read(Tensor tensor)
    {
        if (tensor.device_type == DeviceType.META) return ("no memory", null, 0);
        var count = tensor.numel();
        if (count == 0) return ("no values", null, 0);
        if (tensor.is_sparse) return ("sparse", null, 0);

        var sample = Sample(tensor);
        var numbers = sample.flatten().data<double>().ToArray();
        var finite = numbers.Where(double.IsFinite).ToArray();
        var text = finite.Length == 0 ? "no finite value"
            : numbers.Length == 1 ? Text(numbers[0])
            : tensor.dtype == ScalarType.Bool ? string.Create(CultureInfo.InvariantCulture, $"{finite.Average():0.#%} true")
            : $"{Text(finite.Min())} … {Text(finite.Max())}, mean {Text(finite.Average())}";
        var (nan, infinite) = (numbers.Count(double.IsNaN), numbers.Count(double.IsInfinity));
        if (nan > 0) text += $", {nan} NaN";
        if (infinite > 0) text += $", {infinite} infinite";
        if (numbers.Length < count) text += string.Create(CultureInfo.InvariantCulture, $" (of {numbers.Length:N0} out of {count:N0} values)");
        return numbers.Length > 1 ? (text, Plane(sample), sample.dim() > 1 ? int.MaxValue : numbers.Length) : (text, null, 0);
    }

    /// <summary>Float64 on the CPU, at most 64 × 64 (or as many, in another form) in the last two axes, and 16 elements over the others.</summary>
    private static Tensor Sample(Tensor tensor)
    {
        var sample = tensor.detach();
        if (sample.is_complex()) sample = sample.abs();
        var whole = sample.dim() > 1 && sample.shape[^1] <= Longest && sample.shape[^2] <= Longest && sample.shape[^1] * sample.shape[^2] <= Most * Most;
        if (sample.dim() == 1 && sample.shape[0] > Most) sample = Thin(sample, 0, Most * Most);
        else
            for (int axis = 0, left = 16; axis < sample.dim(); axis++)
            {
                var most = axis < sample.dim() - 2 ? left : whole ? Longest : Most;
                sample = Thin(sample, axis, most);
                if (axis < sample.dim() - 2) left = Math.Max(1, left / (int)sample.shape[axis]);
            }
        return sample.to(CPU).to(ScalarType.Float64).contiguous();

        static Tensor Thin(Tensor t, int axis, long most) => t.shape[axis] <= most ? t : t.slice(axis, 0, t.shape[axis], (t.shape[axis] + most - 1) / most);
    }

    // The last two axes of the first element; a vector is wrapped into rows, the last of which need not be full.
    private static double[,] Plane(Tensor sample)
    {
        while (sample.dim() > 2) sample = sample[0];
        var numbers = sample.contiguous().data<double>().ToArray();
        var columns = sample.dim() == 2 ? (int)sample.shape[1] : numbers.Length <= Most ? numbers.Length : Most;
        var rows = (numbers.Length + columns - 1) / columns;
        var plane = new double[rows, columns];
        for (var i = 0; i < numbers.Length; i++) plane[i / columns, i % columns] = numbers[i];
        return plane;
    }

    private static string Text(double value) => value.ToString("0.####", CultureInfo.InvariantCulture) is var text && (text is not ("0" or "-0") || value == 0) && Math.Abs(value) < 1e7
        ? text.Replace('-', '−') : value.ToString("G4", CultureInfo.InvariantCulture).Replace('-', '−');
}
