using System.Globalization;
using System.Text.Json.Nodes;
using JepaT.Model;
using JepaT.Notebooks;
using NetMQ.Sockets;

namespace JepaT.Tests;

/// <summary>How a front end finds the kernel and tells it where to listen.</summary>
public sealed class KernelSetUpTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("jepat-kernelspec-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_specification_starts_this_program_and_is_written_anew()
    {
        KernelSpec.Install("jepat-csharp", folder);
        var file = KernelSpec.Install("jepat-csharp", folder);

        Assert.Equal(Path.Combine(folder, "share", "jupyter", "kernels", "jepat-csharp", "kernel.json"), file);
        var spec = JsonNode.Parse(File.ReadAllText(file))!;
        Assert.Equal(("C#", "message"), (spec["language"]!.GetValue<string>(), spec["interrupt_mode"]!.GetValue<string>()));
        Assert.Equal(["notebook", "kernel", "{connection_file}"], spec["argv"]!.AsArray().Select(a => a!.GetValue<string>()).TakeLast(3));
    }

    [Theory]
    [InlineData("""{"argv": ["dotnet-interactive"], "display_name": ".NET (C#)", "language": "C#"}""")]
    [InlineData("[]")]
    [InlineData("no JSON")]
    public void Another_kernel_of_that_name_stays(string content)
    {
        var file = Path.Combine(folder, "share", "jupyter", "kernels", ".net-csharp", "kernel.json");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);

        var e = Assert.Throws<UserException>(() => KernelSpec.Install(".net-csharp", folder));

        Assert.Equal($"{file} is another kernel's: take it away first (jupyter kernelspec remove .net-csharp), or choose another --name", e.Message);
        Assert.Equal(content, File.ReadAllText(file));
    }

    [Theory]
    [InlineData("")]
    [InlineData("../evil")]
    [InlineData("a b")]
    [InlineData("a\n")]
    public void A_name_that_is_none(string name) =>
        Assert.Equal($"--name '{name}': a kernel's name has letters, digits and . _ - only", Assert.Throws<UserException>(() => KernelSpec.Install(name, folder)).Message);

    [Theory]
    [InlineData("ip", "\"0.0.0.0\"", "ip '0.0.0.0': the kernel listens on this machine only; use 127.0.0.1")]
    [InlineData("ip", "\"*\"", "ip '*': the kernel listens on this machine only; use 127.0.0.1")]
    [InlineData("ip", "\"example.org\"", "ip 'example.org': the kernel listens on this machine only; use 127.0.0.1")]
    [InlineData("ip", "null", "has no text named 'ip'")]
    [InlineData("key", "\"\"", "has no key: whoever reaches the ports could run code")]
    [InlineData("transport", "\"ipc\"", "transport 'ipc': only tcp is served")]
    [InlineData("signature_scheme", "\"hmac-md5\"", "signature_scheme 'hmac-md5': only hmac-sha256 is known")]
    [InlineData("hb_port", "0", "hb_port: must be a port from 1 to 65535")]
    [InlineData("hb_port", "\"1234\"", "hb_port: must be a port from 1 to 65535")]
    public void A_connection_file_that_asks_for_what_is_refused(string name, string value, string message)
    {
        var file = Path.Combine(folder, "c.json");
        File.WriteAllText(file, FrontEnd.Connection([1, 2, 3, 4, 5], name, JsonNode.Parse(value)));

        Assert.Equal($"connection file {file}: {message}", Assert.Throws<UserException>(() => ConnectionFile.Load(file)).Message);
    }

    [Theory]
    [InlineData(null, "there is no such file")]
    [InlineData("", null)]
    [InlineData("[]", "is not a JSON object")]
    [InlineData("""{"ip": "127.0.0.1", "ip": "0.0.0.0"}""", null)]
    public void A_connection_file_that_cannot_be_read(string? content, string? message)
    {
        var file = Path.Combine(folder, "c.json");
        if (content is not null) File.WriteAllText(file, content);

        var e = Assert.Throws<UserException>(() => ConnectionFile.Load(file));

        Assert.StartsWith($"connection file {file}: {message}", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_port_that_is_taken_is_named_and_the_others_are_given_back()
    {
        var ports = FrontEnd.FreePorts();
        var file = Path.Combine(folder, "c.json");
        File.WriteAllText(file, FrontEnd.Connection(ports));
        using (var other = new DealerSocket(string.Create(CultureInfo.InvariantCulture, $"@tcp://127.0.0.1:{ports[2]}")))
        {
            var e = Assert.Throws<UserException>(() => new KernelSockets(ConnectionFile.Load(file), TextWriter.Null));
            Assert.Equal($"port {ports[2]} (Iopub) cannot be had: it is taken", e.Message);
        }

        // NetMQ closes a socket in its own time.
        var free = SpinWait.SpinUntil(() => Record.Exception(() => new KernelSockets(ConnectionFile.Load(file), TextWriter.Null).Dispose()) is null, TimeSpan.FromSeconds(10));
        Assert.True(free, "the ports are still taken");
    }

    [Theory]
    [InlineData("abc", 2, 2)]
    [InlineData("a\ud83d\ude00b", 2, 3)]        // the protocol counts a character outside the basic plane once
    [InlineData("ab", 9, 2)]
    public void Positions_count_characters(string code, int characters, int utf16)
    {
        Assert.Equal(utf16, KernelQuestions.Utf16(code, characters));
        Assert.Equal(Math.Min(characters, KernelQuestions.Characters(code, code.Length)), KernelQuestions.Characters(code, utf16));
    }
}
