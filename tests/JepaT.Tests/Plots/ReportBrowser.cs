using System.Diagnostics;
using System.Security.Cryptography;

namespace JepaT.Tests;

/// <summary>
/// <c>tests/frontends/report_browser.mjs</c>: a page in headless Chromium. Its packages are installed once, by npm, into the user's cache; a
/// test skips with the reason where node, npm, Chromium or the packages cannot be had.
/// </summary>
internal static class ReportBrowser
{
    private static readonly Lazy<(string? Modules, string Reason)> Installed = new(Install);

    /// <summary>"passed", or what is wrong with the page.</summary>
    /// <param name="page">The HTML file.</param>
    /// <param name="charts">How many charts it must have.</param>
    /// <param name="sliders">How many sliders.</param>
    public static async Task<string> Look(string page, int charts, int sliders)
    {
        var chromium = new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(File.Exists);
        Assert.SkipWhen(chromium is null, "no Chromium on this machine");
        var (modules, reason) = Installed.Value;
        Assert.SkipWhen(modules is null, reason);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(4));
        var start = new ProcessStartInfo("node", [Path.Combine(Source, "report_browser.mjs"), modules!, page, $"{charts}", $"{sliders}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["CHROMIUM"] = chromium;
        using var node = Process.Start(start)!;
        using var stop = limit.Token.Register(() => node.Kill(entireProcessTree: true));
        var errors = node.StandardError.ReadToEndAsync(limit.Token);
        var output = await node.StandardOutput.ReadToEndAsync(limit.Token);
        await node.WaitForExitAsync(limit.Token);
        return node.ExitCode == 0 || output.Length > 0 ? output.Trim() : await errors;
    }

    private static string Source => Path.Combine(MlflowServer.RepositoryRoot(), "tests", "frontends");

    // A folder for each content of the lock file; npm's stamp in it is written last.
    private static (string? Modules, string Reason) Install()
    {
        if (Run("node", ["--version"], ".") is { Code: not 0 } noNode) return (null, $"no node on this machine ({noNode.Output})");
        var digest = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Source, "package-lock.json"))))[..12];
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        var folder = Path.Combine(cache, "jepat", $"report-browser-{digest}");
        if (File.Exists(Path.Combine(folder, "node_modules", ".package-lock.json"))) return (folder, "");
        Directory.CreateDirectory(folder);
        foreach (var name in new[] { "package.json", "package-lock.json" }) File.Copy(Path.Combine(Source, name), Path.Combine(folder, name), overwrite: true);
        var npm = Run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1"], folder);
        return npm.Code == 0 ? (folder, "") : (null, $"npm cannot install playwright-core and axe-core: {npm.Output}");
    }

    private static (int Code, string Output) Run(string program, string[] arguments, string folder)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var errors = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, (output + errors.GetAwaiter().GetResult()).Trim());
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return (-1, e.Message);
        }
    }
}
