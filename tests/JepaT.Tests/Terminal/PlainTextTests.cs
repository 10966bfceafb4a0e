using JepaT.Lab;

namespace JepaT.Tests;

public sealed class PlainTextTests
{
    [Theory]
    [InlineData("plain ü 中", "plain ü 中")]
    [InlineData("a\nb\r\tc", @"a\nb\r\tc")]
    [InlineData("\u001b]0;title\u0007\u0000", @"\u001b]0;title\u0007\u0000")]
    [InlineData("x\u202etxt.exe\u2028y", @"x\u202etxt.exe\u2028y")]
    public void A_name_stays_one_line_and_commands_no_terminal(string name, string line) => Assert.Equal(line, PlainText.Line(name));

    [Theory]
    [InlineData(0, "1970-01-01 00:00:00Z")]
    [InlineData(long.MaxValue, "9999-12-31 23:59:59Z")]
    [InlineData(long.MinValue, "0001-01-01 00:00:00Z")]
    public void A_time_that_no_calendar_holds_is_its_nearest_one(long time, string shown) => Assert.Equal(shown, PlainText.Time(time));
}
