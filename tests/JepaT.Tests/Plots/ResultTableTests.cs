using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public class ResultTableTests
{
    [Fact]
    public void Markdown_has_means_deviations_arrows_best_values_and_failed_runs()
    {
        // By hand: none FID 60, 64, 68: mean 64, squares 16 + 0 + 16, / 2, root: 4. full 40, 43: mean 41.5, 4.5 / 1, root: 2.12132.
        // IS: 5, 6, 7: 6 ± 1; 5, 6: 5.5 ± 0.70711. Alignment: 50, 60, 70 %: 60 ± 10; 50, 60 %: 55 ± 7.07.
        const string expected =
            """
            | Preset | Runs | FID (fashion, 1k) ↓ | IS (fashion, 1k) ↑ | Alignment seen ↑ | Alignment held-out ↑ | Parameters | Images/s |
            | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
            | none | 3/3 | 64.00 ± 4.00 | **6.00 ± 1.00** | **60.0 ± 10.0 %** | 25.0 ± 0.0 % | 1.23 M | 250 ± 0 |
            | full | 2/3, 1 failed | **41.50 ± 2.12** | 5.50 ± 0.71 | 55.0 ± 7.1 % | 25.0 ± 0.0 % | 1.23 M | 250 ± 0 |
            | late | 0/1, 1 failed | failed | failed | failed | failed | failed | failed |

            """;

        Assert.Equal(expected.ReplaceLineEndings("\n") + "\n" + ResultTable.Note + "\n", ResultTable.Of(Fake.Ablation()).Markdown());
    }

    [Fact]
    public void Csv_has_raw_numbers_and_empty_fields()
    {
        var lines = ResultTable.Of(Fake.Ablation()).Csv().Split('\n');

        Assert.StartsWith("preset,runs,failed,fid_fashion_1k,fid_fashion_1k_std,fid_fashion_1k_n,is_fashion_1k,", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("none,3,0,64,4,3,6,1,3,", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("full,3,1,41.5,2.1213203435596424,2,5.5,0.7071067811865476,2,", lines[2], StringComparison.Ordinal);
        Assert.StartsWith("late,1,1,,,0,,,0,", lines[3], StringComparison.Ordinal);
    }

    [Fact]
    public void Csv_quotes_what_needs_it()
    {
        var result = Fake.Ablation() with { Runs = [Fake.Run("a,\"b\"", 0, 3)] };

        Assert.StartsWith("\"a,\"\"b\"\"\",1,0,3,,1,", ResultTable.Of(result).Csv().Split('\n')[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Mlflow_table_has_one_value_a_column_and_null_for_none()
    {
        var (columns, rows) = ResultTable.Of(Fake.Ablation()).MlflowTable();

        Assert.Equal(["preset", "runs", "failed", "fid_fashion_1k", "fid_fashion_1k_std", "fid_fashion_1k_n"], columns.Take(6));
        Assert.All(rows, r => Assert.Equal(columns.Count, r.Count));
        Assert.Equal([64.0, 4.0, 3], rows[0].Skip(3).Take(3));
        Assert.Equal([null, null, 0], rows[2].Skip(3).Take(3));
    }

    [Fact]
    public void One_seed_has_no_deviation()
    {
        var result = Fake.Ablation() with { Runs = [Fake.Run("none", 0, 3), Fake.Run("full", 0, 2)] };

        var table = ResultTable.Of(result);

        Assert.Equal("3.00", table.Text(0, 0));
        Assert.Null(table.Rows[0].Cells[0]!.Value.Deviation);
        Assert.False(table.IsBest(0, 0));
        Assert.True(table.IsBest(1, 0));
    }

    [Fact]
    public void Speed_is_told_and_no_merit_of_a_preset()
    {
        var run = Fake.Run("full", 0, 2);
        var faster = run with { Final = new Dictionary<string, double>(run.Final) { ["images_per_second"] = 500 } };

        var table = ResultTable.Of(Fake.Ablation() with { Runs = [Fake.Run("none", 0, 3), faster] });

        Assert.Equal("Images/s", table.Columns[^1].HeadingWithArrow);
        Assert.False(table.IsBest(1, table.Columns.Count - 1));
    }

    [Fact]
    public void NaN_is_shown_and_never_best()
    {
        var result = Fake.Ablation() with { Runs = [Fake.Run("none", 0, double.NaN), Fake.Run("full", 0, 2), Fake.Run("late", 0, 3)] };

        var table = ResultTable.Of(result);

        Assert.Equal("NaN", table.Text(0, 0));
        Assert.True(table.IsBest(1, 0));
        Assert.Null(table.MlflowTable().Rows[0][3]);
    }

    [Fact]
    public void Other_networks_and_counts_get_columns_of_their_own()
    {
        var run = Fake.Run("none", 0, 3);
        var result = Fake.Ablation() with { Runs = [run with { Final = new Dictionary<string, double>(run.Final) { ["fid_inception_50k"] = 9 } }] };

        Assert.Equal(["FID (fashion, 1k)", "FID (inception, 50k)"], ResultTable.Of(result).Columns.Take(2).Select(c => c.Heading));
    }

    [Theory]
    [InlineData("fid")]
    [InlineData("eval/fid_fashion")]
    [InlineData("is_1k")]
    public void A_metric_without_network_and_count_is_refused(string key)
    {
        var error = Assert.Throws<UserException>(() => MetricName.Parse(key));

        Assert.Contains(key, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_name_that_the_evaluator_gives_is_read_with_network_and_count()
    {
        string[] names =
        [
            MetricNames.Fid("fashion", 1000), MetricNames.InceptionScore("fashion", 1000), MetricNames.Kid("fashion", 1000),
            MetricNames.Precision("fashion", 1000), MetricNames.Recall("fashion", 1000), MetricNames.Alignment(true, "fashion", 320),
            MetricNames.AlignmentItem(false, "fashion", 320), MetricNames.AlignmentColour(true, "fashion", 320),
        ];

        Assert.Equal(
            [
                "FID (fashion, 1k) ↓", "IS (fashion, 1k) ↑", "KID (fashion, 1k) ↓", "Precision (fashion, 1k) ↑", "Recall (fashion, 1k) ↑",
                "Alignment held-out (fashion, 320) ↑", "Alignment seen, item only (fashion, 320) ↑", "Alignment held-out, colour only (fashion, 320) ↑",
            ],
            names.Select(n => MetricName.Parse($"eval/{n}")!.HeadingWithArrow));
        Assert.Null(MetricName.Parse(MetricNames.InceptionScoreStd("fashion", 1000)));
        Assert.Null(MetricName.Parse(MetricNames.KidStd("fashion", 1000)));
    }

    [Fact]
    public void The_note_tells_the_switches_of_every_preset()
    {
        Assert.All(Fusion.Presets.Keys, preset => Assert.Contains($" {preset} = ", ResultTable.Note, StringComparison.Ordinal));
        Assert.Contains("cross-attention = text in the encoder buffer, text in the predictor, cross-attention after the predictor;", ResultTable.Note,
            StringComparison.Ordinal);
        Assert.Contains("this project's own definitions", ResultTable.Note, StringComparison.Ordinal);
    }
}
