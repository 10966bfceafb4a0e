using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public class AtomicFileTests
{
    [Fact]
    public void A_place_that_takes_a_file_is_left_as_it_was()
    {
        using var folder = new TemporaryFolder();

        AtomicFile.Require(folder.File("a.png"));
        AtomicFile.Require(Path.Combine(folder.Path, "new", "folder", "a.png"));

        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_folder_a_place_below_a_file_and_no_name_are_refused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("file"), "");

        foreach (var path in new[] { folder.Path, folder.Path + "/", "", Path.Combine(folder.File("file"), "x", "a.png") })
        {
            var error = Assert.Throws<UserException>(() => AtomicFile.Require(path));
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_folder_that_takes_no_files_is_named()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "there is no /proc");

        var error = Assert.Throws<UserException>(() => AtomicFile.Require("/proc/a.png"));

        Assert.StartsWith("/proc/a.png: cannot be written, /proc takes no files", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(".tmp", error.Message, StringComparison.Ordinal);
    }
}
