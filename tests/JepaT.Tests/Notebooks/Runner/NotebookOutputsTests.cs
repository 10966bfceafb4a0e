using System.Text.Json.Nodes;
using JepaT.Notebooks;

namespace JepaT.Tests;

public sealed class NotebookOutputsTests
{
    private readonly NotebookDocument document = NotebookFile.Document("1", "2");
    private readonly CellOutputs outputs = new(new OutputCleaner([("/opt/lab", "LAB")], _ => { }));

    public NotebookOutputsTests() => outputs.Begin(document.Cells[0]);

    [Fact]
    public void Console_text_is_joined_by_stream_in_the_order_it_came()
    {
        outputs.Stream("stdout", "a");
        outputs.Stream("stdout", "b\nc");
        outputs.Stream("stderr", "oh");
        outputs.Stream("stdout", "d in /opt/l");
        outputs.Stream("stdout", "ab/x");
        outputs.End(new(null, null), 1);

        Expect(0, """
            [{"name":"stdout","output_type":"stream","text":["ab\n","c"]},
             {"name":"stderr","output_type":"stream","text":["oh"]},
             {"name":"stdout","output_type":"stream","text":["d in LAB/x"]}]
            """);
    }

    [Fact]
    public void A_look_at_the_document_does_not_tear_a_stream()
    {
        outputs.Stream("stdout", "a");
        outputs.Hold(() => Assert.Single(document.Cells[0].Outputs));
        outputs.Stream("stdout", "b");
        outputs.End(new(null, null), 1);

        Expect(0, """[{"name":"stdout","output_type":"stream","text":["ab"]}]""");
    }

    [Fact]
    public void What_a_carriage_return_overwrote_is_gone()
    {
        outputs.Stream("stderr", "\r10 %\r20 %\r\n30 %\r40 %\nend\r");
        outputs.End(new(null, null), 1);

        Assert.Equal("20 %\r\n40 %\nend\r", NotebookCell.Joined(document.Cells[0].Outputs[0]!["text"]));
    }

    [Fact]
    public void A_display_keeps_its_last_state_also_when_its_cell_is_over()
    {
        outputs.Display(Bundle("text/plain", "one"), "d");
        outputs.Display(Bundle("text/plain", "other"), "e");
        outputs.Update("d", Bundle("text/plain", "two\nlines"));
        outputs.End(new(null, null), 1);
        outputs.Begin(document.Cells[1]);
        outputs.Display(Bundle("text/html", "<b>again</b>"), "d");
        outputs.Update("d", Bundle("image/png", "iVBORw0KGgo="));
        outputs.Update("unknown", Bundle("text/plain", "lost"));
        outputs.End(new(null, null), 2);

        Expect(0, """
            [{"data":{"image/png":"iVBORw0KGgo="},"metadata":{},"output_type":"display_data"},
             {"data":{"text/plain":["other"]},"metadata":{},"output_type":"display_data"}]
            """);
        Expect(1, """[{"data":{"image/png":"iVBORw0KGgo="},"metadata":{},"output_type":"display_data"}]""");
    }

    [Fact]
    public void A_value_and_an_error_come_last()
    {
        outputs.Stream("stdout", "x");
        outputs.End(new(Bundle("application/json", """{"a": [1]}"""), new CellError("DivideByZeroException", "by zero", ["cell 1, line 2"])), 3);

        Expect(0, """
            [{"name":"stdout","output_type":"stream","text":["x"]},
             {"data":{"application/json":{"a":[1]}},"execution_count":3,"metadata":{},"output_type":"execute_result"},
             {"ename":"DivideByZeroException","evalue":"by zero","output_type":"error","traceback":["cell 1, line 2"]}]
            """);
    }

    [Fact]
    public void Clearing_takes_effect_at_once_or_with_the_next_output()
    {
        outputs.Stream("stdout", "a");
        outputs.Clear(wait: true);
        outputs.Hold(() => Assert.Single(document.Cells[0].Outputs));
        outputs.Display(Bundle("text/plain", "b"), "d");
        outputs.Hold(() => Assert.Equal("display_data", Assert.Single(document.Cells[0].Outputs)!["output_type"]!.GetValue<string>()));
        outputs.Clear(wait: false);
        outputs.Hold(() => Assert.Empty(document.Cells[0].Outputs));
    }

    [Fact]
    public void A_loop_that_prints_for_ever_is_cut()
    {
        var line = new string('x', 99_999) + "\n";
        for (var i = 0; i < 1.5 * CellOutputs.MaxText / line.Length; i++) outputs.Stream("stdout", line);
        outputs.End(new(null, null), 1);

        var text = NotebookCell.Joined(document.Cells[0].Outputs[0]!["text"]);
        Assert.InRange(text.Length, CellOutputs.MaxText, CellOutputs.MaxText + 100);
        Assert.EndsWith("… (cut: a cell keeps 8 million characters of console text)\n", text, StringComparison.Ordinal);
    }

    private static MimeBundle Bundle(string mime, string text) => new(new Dictionary<string, string> { [mime] = text });

    private void Expect(int cell, string json) => Assert.Equal(JsonNode.Parse(json)!.ToJsonString(), document.Cells[cell].Outputs.ToJsonString());
}
