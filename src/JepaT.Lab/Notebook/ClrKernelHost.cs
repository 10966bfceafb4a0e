using System.Collections;
using System.Linq.Expressions;
using System.Net;
using System.Reflection;

namespace JepaT.Lab;

/// <summary>ClrKernel: content goes out as it is under its MIME type, pictures as bytes; its cells change in place.</summary>
internal sealed class ClrKernelHost : BridgedHost
{
    private static readonly HashSet<Type> Registered = [];

    private readonly MethodInfo display, displayBytes, update;
    private readonly Type bytesType;
    private readonly PropertyInfo? folder;

    private ClrKernelHost(MethodInfo display, MethodInfo displayBytes, MethodInfo update, Type bytesType) =>
        (this.display, this.displayBytes, this.update, this.bytesType, folder) =
        (display, displayBytes, update, bytesType, bytesType.Assembly.GetType("ClrKernel.Core.Primitives.NotebookDirectory")?.GetProperty("Current"));

    public override string Name => "ClrKernel";

    /// <summary>Known in versions after 0.9.</summary>
    public override string? Folder => folder?.GetValue(null) as string;

    public static INotebookHost? Of(Assembly assembly)
    {
        var values = assembly.GetType("ClrKernel.Core.Primitives.DisplayValues");
        var display = values?.GetMethod("Display", [typeof(object), typeof(Type), typeof(string)]);
        var displayBytes = values?.GetMethod("DisplayBytes", [typeof(object), typeof(string)]);
        var update = assembly.GetType("ClrKernel.Core.Primitives.DisplayCell")?.GetMethod("Update", [typeof(object), typeof(Type), typeof(string)]);
        var bytes = assembly.GetType("ClrKernel.Core.Primitives.DisplayBytes");
        return display is null || displayBytes is null || update is null || bytes is null ? null : new ClrKernelHost(display, displayBytes, update, bytes);
    }

    public override IDisplayed Show(string mime, string content)
    {
        var cell = IsPicture(mime) ? displayBytes.Invoke(null, [Convert.FromBase64String(content), mime]) : display.Invoke(null, [content, null, mime]);
        return new Displayed((m, c) => update.Invoke(cell, IsPicture(m) ? [Convert.FromBase64String(c), bytesType, m] : [c, null, m]));
    }

    /// <summary>
    /// A conversion of objects to HTML that handles our types and hands all others to the conversion that was the newest before, as this
    /// registry asks the newest only.
    /// </summary>
    public static void RegisterFormatters(Assembly assembly)
    {
        const string ns = "ClrKernel.Core.Primitives.";
        var registry = assembly.GetType(ns + "DisplayFormatters");
        var (any, given, html, rule) = (assembly.GetType(ns + "IDisplayValue"), assembly.GetType(ns + "DisplayObject"), assembly.GetType(ns + "DisplayHtml"), assembly.GetType(ns + "DisplayFormatter"));
        if (registry is null || any is null || given is null || html is null || rule is null) return;
        var conversion = typeof(Func<,>).MakeGenericType(any, any);
        var register = registry.GetMethod("Register", [typeof(Type), typeof(Type), conversion]);
        if (register is null || registry.GetProperty("Formatters")?.GetValue(null) is not IEnumerable rules) return;
        if (!Registered.Add(registry)) return;                                      // a second Start adds nothing

        var (input, output, format) = (rule.GetProperty("InputType")!, rule.GetProperty("OutputType")!, rule.GetProperty("Format")!);
        var before = rules.Cast<object>().LastOrDefault(r => ((Type)input.GetValue(r)!).IsAssignableFrom(given) && (Type)output.GetValue(r)! == html);
        var ours = new Conversion(given.GetProperty("Value")!, html, (Delegate?)(before is null ? null : format.GetValue(before)));
        var value = Expression.Parameter(any);
        var call = Expression.Call(Expression.Constant(ours), typeof(Conversion).GetMethod(nameof(Conversion.Convert))!, value);
        register.Invoke(null, [given, html, Expression.Lambda(conversion, Expression.Convert(call, any), value).Compile()]);
    }

    private static bool IsPicture(string mime) => mime.StartsWith("image/", StringComparison.Ordinal) && mime != "image/svg+xml";

    private sealed class Conversion(PropertyInfo value, Type html, Delegate? before)
    {
        public object? Convert(object given) =>
            value.GetValue(given) is { } x && View.Knows(x) ? Activator.CreateInstance(html, View.Of(x).ToHtml())
            : before is not null ? before.DynamicInvoke(given)
            : Activator.CreateInstance(html, WebUtility.HtmlEncode(value.GetValue(given)?.ToString() ?? ""));
    }
}
