using System.Text;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class ImageFolderTests
{
    [Fact]
    public void Pictures_are_in_ordinal_order_and_captioned_by_their_folders()
    {
        using var set = new PictureFolder(2, "tennis_ball", "Zebra");
        set.Write("Zebra/notes.txt", [1]);
        set.Write("Zebra/deep/x.JPEG", [1]);

        var folder = set.Open();

        Assert.Equal(["Zebra/000.png", "Zebra/001.png", "Zebra/deep/x.JPEG", "tennis_ball/000.png", "tennis_ball/001.png"], folder.Files);
        Assert.Equal(["a photo of a Zebra", "a photo of a tennis ball"], folder.Captions);
        Assert.Equal([0, 0, 0, 1, 1], folder.CaptionIds);
        Assert.Equal("set", folder.Name);
    }

    [Theory]
    [InlineData("LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n")]
    [InlineData("words.txt", "n01440764\ttench, Tinca tinca\nn01443537\tgoldfish\n")]
    public void Word_net_ids_take_their_first_name_from_the_table_beside(string table, string text)
    {
        using var set = new PictureFolder(1, "n01443537", "n01440764");
        set.WriteBeside(table, text);

        Assert.Equal(["a photo of a tench", "a photo of a goldfish"], set.Open().Captions);
        Assert.Equal(["class 0: tench", "class 1: goldfish"], ImageFolder.Open(set.Root, template: "class {number}: {name}").Captions);
    }

    [Theory]
    [InlineData("c.csv", "file,caption\nb.png,\"a \"\"red\"\" bag, left\"\na/a.png,a shoe\n")]
    [InlineData("c.csv", "n,text,file_name\n1,\"a \"\"red\"\" bag, left\",b.png\n2,a shoe,a/a.png\n")]
    [InlineData("c.tsv", "file\tcaption\r\nb.png\t\"a \"\"red\"\" bag, left\"\r\na/a.png\ta shoe\r\n")]
    [InlineData("c.jsonl", "{\"file\": \"b.png\", \"caption\": \"a \\\"red\\\" bag, left\"}\n\n{\"file_name\": \"a/a.png\", \"text\": \"a shoe\", \"n\": 1}\n")]
    public void Captions_come_from_a_file(string name, string text)
    {
        using var set = new PictureFolder();
        set.Write("a/a.png", [1]);
        set.Write("b.png", [1]);

        var folder = set.Open(set.WriteBeside(name, text));

        Assert.Equal(["a shoe", "a \"red\" bag, left"], folder.CaptionIds.Select(id => folder.Captions[id]));
    }

    [Theory]
    [InlineData("c.csv", "file,caption\na.png,x\n", "1 of 2 pictures have no caption, the first is b.png: add a line for each, named by its path below ")]
    [InlineData("c.csv", "file,caption\na.png,x\nb.png,y\nc.png,z\n", "1 of its pictures are not in the folder, the first is c.png: put them below ")]
    [InlineData("c.csv", "file,caption\na.png,x\na.png,y\n", "line 3: a.png has a caption already")]
    [InlineData("c.csv", "name,caption\na.png,x\n", "no column 'file'")]
    [InlineData("c.csv", "file,caption\na.png\n", "is no CSV file")]
    [InlineData("c.csv", "file,caption\na.png,\n", "line 2: file or caption is empty")]
    [InlineData("c.csv", "file,caption\na.png,x\nb.png,\"a red bag\n", "line 3: a quote is not closed")]
    [InlineData("c.tsv", "file\tcaption\na.png\t\"x\nb.png\t\"y\"\n", "line 2: a quote is not closed")]
    [InlineData("c.csv", "file,\"caption\na.png,x\nb.png,y\n", "line 1: a quote is not closed")]
    [InlineData("c.csv", "", "c.csv: ")]
    [InlineData("c.jsonl", "{\"file\": \"a.png\"}\n", "line 1: no object with 'caption' as text")]
    [InlineData("c.jsonl", "{\"file\": 1, \"caption\": \"x\"}\n", "line 1: no object with 'file' as text")]
    [InlineData("c.jsonl", "[1]\n", "line 1: no object")]
    [InlineData("c.jsonl", "{\"file\"", "line 1: no object")]
    [InlineData("c.txt", "", "ends in .csv, .tsv or .jsonl")]
    public void A_bad_file_of_captions_is_told_in_a_line(string name, string text, string message)
    {
        using var set = new PictureFolder();
        set.Write("a.png", [1]);
        set.Write("b.png", [1]);
        var path = set.WriteBeside(name, text);

        var told = Assert.Throws<UserException>(() => set.Open(path)).Message;

        Assert.Contains(message, told, StringComparison.Ordinal);
        Assert.StartsWith(path, told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("c.csv", "file,caption\na.png,a shoe\nb.png,a café\n", 3)]
    [InlineData("c.tsv", "file\tcaption\r\na.png\ta café\r\nb.png\ta shoe\r\n", 2)]
    [InlineData("c.jsonl", "{\"file\": \"a.png\", \"caption\": \"é\"}\n{\"file\": \"b.png\", \"caption\": \"x\"}\n", 1)]
    public void Captions_that_are_not_UTF_8_are_refused_by_line(string name, string text, int line)
    {
        using var set = new PictureFolder();
        set.Write("a.png", [1]);
        set.Write("b.png", [1]);
        var path = set.Beside(name);

        foreach (var good in new Encoding[] { new UTF8Encoding(false), new UTF8Encoding(true), Encoding.Unicode })
        {
            File.WriteAllText(path, text, good);
            Assert.Contains(set.Open(path).Captions, c => c.Contains('é', StringComparison.Ordinal));
        }
        File.WriteAllText(path, text, Encoding.Latin1);

        var told = Assert.Throws<UserException>(() => set.Open(path)).Message;

        Assert.StartsWith($"{path}: line {line} is not UTF-8: ", told, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', told);
    }

    [Fact]
    public void A_table_of_classes_that_is_not_UTF_8_is_refused_by_line()
    {
        using var set = new PictureFolder(1, "n01440764", "n01443537");
        File.WriteAllText(set.Beside("words.txt"), "n01440764\ttench\nn01443537\tpoisson doré\n", Encoding.Latin1);

        Assert.Contains("words.txt: line 2 is not UTF-8: ", Assert.Throws<UserException>(() => set.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Links_are_followed_but_not_in_circles()
    {
        using var set = new PictureFolder(1, "a", "b");
        using var other = new PictureFolder(1, "c");
        Directory.CreateSymbolicLink(set["c"], other["c"]);                     // elsewhere: its pictures count
        Directory.CreateSymbolicLink(set["a/up"], set.Root);                    // circles: of the whole, of itself, by way of elsewhere
        Directory.CreateSymbolicLink(set["b/self"], set["b"]);
        Directory.CreateSymbolicLink(other["c/back"], set.Root);
        Directory.CreateSymbolicLink(set["b/dead"], set["nothing"]);

        Assert.Equal(["a/000.png", "b/000.png", "c/000.png"], set.Open().Files);

        Directory.CreateSymbolicLink(set.Beside("link"), set.Root);             // the folder itself may be one
        Assert.Equal(["a/000.png", "b/000.png", "c/000.png"], ImageFolder.Open(set.Beside("link")).Files);
    }

    [Fact]
    public void A_bad_folder_is_told_in_a_line()
    {
        using var empty = new PictureFolder();
        using var loose = new PictureFolder(1, "a");
        loose.Write("b.png", [1]);
        using var unnamed = new PictureFolder(1, "n01440764");
        var table = unnamed.WriteBeside("t.txt", "n01443537 goldfish\n");

        Says("no such folder", () => ImageFolder.Open(empty["none"]));
        Says("holds no pictures", () => empty.Open());
        Says("b.png lies in no class folder", () => loose.Open());
        Says("n01440764 is a WordNet id without a name", () => unnamed.Open());
        Says("has no name for n01440764", () => ImageFolder.Open(unnamed.Root, classes: table));
        Says("cannot be read", () => ImageFolder.Open(unnamed.Root, classes: unnamed.Beside("none.txt")));
        Says("line 1: no name", () => ImageFolder.Open(unnamed.Root, classes: unnamed.WriteBeside("u.txt", "n01440764\n")));

        static void Says(string text, Action open) => Assert.Contains(text, Assert.Throws<UserException>(open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_digest_changes_with_name_size_and_caption()
    {
        using var set = new PictureFolder();
        set.Write("a/a.png", [1]);
        set.Write("b/b.png", [1]);
        var digests = new List<string> { set.Open().Digest, set.Open().Digest, ImageFolder.Open(set.Root, template: "{name}").Digest };
        set.Write("b/b.png", [1, 2]);
        digests.Add(set.Open().Digest);
        File.Move(set["b/b.png"], set["b/c.png"]);
        digests.Add(set.Open().Digest);

        Assert.Equal(digests[0], digests[1]);
        Assert.Equal(4, digests.Distinct().Count());
        Assert.Matches("^[0-9a-f]{8}$", digests[0]);
    }
}
