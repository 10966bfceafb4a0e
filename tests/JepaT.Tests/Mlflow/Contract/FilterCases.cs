namespace JepaT.Tests;

/// <summary>Filters and orders that SQLite and the real server must understand, or refuse, alike.</summary>
internal static class FilterCases
{
    public static readonly string[] Filters =
    [
        // metrics
        "metrics.loss < 0.5", "metrics.loss <= 0.5", "metrics.loss > 0.5", "metrics.loss >= 0.5", "metrics.loss = 0.5", "metrics.loss != 0.5",
        "metric.loss < 1", "metrics.loss < 1e-3", "metrics.loss > -1", "metrics.loss = -0.25", "metrics.loss<.5", "metrics.loss < 5.", "metrics.loss>-.5",
        "metrics.loss < 1E2", "metrics.loss > 1.5e-1", "metrics.loss = 0", "metrics.loss != 0", "metrics.loss >= 0", "metrics.loss < 1e999",
        "metrics.loss > -1e999", "metrics.loss >= 1.7976931348623157e308", "metrics.loss <= -1.7976931348623157e308", "metrics.nothing < 1",
        "metrics.`eval/fid 1` < 20", "metrics.\"eval/fid 1\" < 20", "metrics.'eval/fid 1' < 20", "metrics.`eval/fid 1` != 12.5", "metrics.`loss` < 1",
        "metrics.2x > 1", "metrics.`2x` > 1", "metrics.a.b.c > 0", "metrics.`a.b.c` > 0", "metrics.ärger = 1", "metrics.`ärger` = 1", "metrics._under = 1",
        "metrics.order = 1", "metrics.select = 1", "metrics.desc = 1", "metrics.loss = 12345678901234567890", "metrics.Loss < 1",
        "metrics.loss < '0.5'", "metrics.loss < \"0.5\"", "metrics.loss = abc", "metrics.loss LIKE '1%'", "metrics.loss IN (1, 2)", "metrics.loss IS NULL",
        "metrics.loss IS NOT NULL", "metrics.loss < 1e+3", "metrics.loss < 0x10", "metrics.loss < NaN", "metrics.loss == 1", "metrics.loss <> 1",
        "metrics.loss =< 1", "metrics.loss < +1", "metrics.loss < 1 + 1", "metrics.loss < 1_000", "metrics.loss <", "metrics.loss", "< 1", "1 < 2",
        "metrics < 1", "metrics.eval/fid < 1", "metrics.a-b < 1", "metrics.a b < 1", "metrics.1 < 2", "5 > metrics.loss", "metrics.loss < -",
        // params
        "params.fusion = 'late'", "params.fusion != 'late'", "param.fusion = 'late'", "parameter.fusion = 'late'", "parameters.fusion = \"late\"",
        "params.fusion LIKE 'l%'", "params.fusion LIKE 'L%'", "params.fusion ILIKE 'L%'", "params.fusion like '%a%'", "params.fusion ILIKE '_ATE'",
        "params.fusion LIKE 'lat_'", "params.fusion LIKE '%'", "params.fusion LIKE ''", "params.fusion = ''", "params.empty = ''", "params.empty != ''",
        "params.fusion IS NULL", "params.fusion IS NOT NULL", "params.fusion is not null", "params.fusion IS  NULL", "params.fusion IS NOT  NULL",
        "params.nothing IS NULL", "params.model.dim = '128'", "params.`model.dim` = '128'", "params.model.dim IS NULL", "params.note = \"it's\"",
        "params.note = 'it''s'", "params.note = 'say \"hi\"'", "params.note LIKE '%\"%'", "params.note LIKE \"it_s\"", "params.unicode = 'Ünï中'",
        "params.unicode LIKE 'Ü%'", "params.unicode ILIKE 'ü%'", "params.unicode ILIKE 'ÜN%'", "params.percent = '100%'", "params.percent LIKE '100%'",
        "params.percent LIKE '100\\%'", "params.path = 'a\\b'", "params.path = 'a\\'", "params.lr = '1e-05'", "params.lr = '0.001'", "params.fusion = 'LATE'",
        "params.fusion = late", "params.fusion = `late`", "params.fusion = 5", "params.lr = 1e-05", "params.fusion < 'm'", "params.fusion >= 'a'",
        "params.fusion IN ('late', 'early')", "params.fusion NOT IN ('late')", "params.fusion NOT LIKE 'l%'", "params.fusion RLIKE 'l'", "params.fusion = NULL",
        "params.fusion == 'late'", "params.fusion = 'late", "params.fusion = late'", "params.in = 'x'", "params.`in` = 'x'", "params.from = 'x'", "params.As = 'x'",
        "params.values = 'x'", "params.using = 'x'", "params.case = 'x'", "params.inner = 'x'", "params.user = 'x'", "params.fusion='late'",
        "params.fusion REGEXP 'l'", "params.fusion = 'late' || 'x'", "params.fusion IS 'late'", "params.fusion = ('late')", "params.fusion BETWEEN 'a' AND 'z'",
        // tags
        "tags.phase = 'smoke'", "tag.phase != 'smoke'", "tags.`mlflow.user` = 'anna'", "tags.mlflow.user = 'anna'", "tags.`mlflow.runName` LIKE 'r%'",
        "tags.phase IS NULL", "tags.phase IS NOT NULL AND metrics.loss < 1", "tags.\"a key\" = 'v'", "tags.`a key` ILIKE 'V'", "tags.phase = 1",
        "tags.phase IN ('smoke')", "tags.phase > 'a'",
        // attributes
        "attributes.status = 'FINISHED'", "status = 'FINISHED'", "status = \"RUNNING\"", "attribute.status != 'FINISHED'", "attr.status LIKE 'F%'",
        "run.status ILIKE 'f%'", "status = 'finished'", "status IN ('FINISHED')", "status IS NULL", "status = FINISHED", "status < 'G'",
        "run_name = 'r1'", "attributes.run_name LIKE 'r%'", "attributes.run_name ILIKE 'R%'", "run_name != 'r1'", "\"run name\" = 'r1'", "attributes.`Run name` = 'r1'",
        "attr.\"Run Name\" LIKE '%1'", "run_name IN ('r1')", "run_name = 'Großer Name'", "user_id = 'anna'", "user_id != 'anna'", "user_id LIKE 'a%'",
        "artifact_uri LIKE 'mlflow-artifacts:/1/%'", "artifact_uri LIKE 'MLFLOW%'", "artifact_uri ILIKE 'MLFLOW%'", "start_time > 1000", "attributes.start_time >= 3000",
        "created < 3000", "Created != 2000", "attributes.created = 2000", "end_time > 0", "end_time = 0", "end_time != 5000", "start_time > 1.5e3",
        "start_time = 2000.0", "start_time = 2000.5", "start_time > '1000'", "start_time LIKE '1%'", "start_time IN (1000)", "start_time IS NULL",
        "start_time > 99999999999999999999", "start_time > -1", "end_time < 9223372036854775807", "lifecycle_stage = 'active'", "attributes.nothing = 'x'",
        "nothing = 'x'", "'status' = 'FINISHED'", "attributes.Status = 'FINISHED'", "experiment_id = '1'", "Attributes.status = 'x'", "foo.bar = 'x'",
        "\"metrics\".loss < 1", "`metrics`.loss < 1", "`metrics.loss` < 1", "run_id = 'no such run'", "run_id != 'no such run'", "run_id LIKE '%'",
        "run_id IN ('x', \"y\")", "run_id NOT IN ('x', 'y')", "run_id not in ('x',)", "run_id IN ()", "run_id IN (x)", "run_id IN (1)", "run_id IN 'x'",
        "run_id IN ('x'", "run_id IN ('x' 'y')", "run_id IN ('x', , 'y')", "run_id = ('x', 'y')", "run_id IS NULL", "attributes.run_id IN('x')",
        // data sets
        "datasets.name = 'fashion'", "dataset.name != 'fashion'", "datasets.name LIKE 'f%'", "datasets.name ILIKE 'F%'", "datasets.digest = 'a1b2c3d4'",
        "datasets.context = 'training'", "datasets.context != 'training'", "datasets.context LIKE '%v%'", "datasets.name IN ('fashion', 'test')",
        "datasets.context IN ('eval')", "datasets.digest NOT IN ('a1b2c3d4')", "datasets.name = 'fashion' AND datasets.context = 'eval'",
        "datasets.nothing = 'x'", "datasets.name < 'x'", "datasets.name IS NULL", "datasets.name = 5", "datasets.name IN (5)", "datasets.context IN ()",
        // together
        "metrics.loss < 1 AND params.fusion = 'late'", "metrics.loss < 1 and params.fusion = 'late' And tags.phase = 'smoke'",
        "metrics.loss < 1\n  AND\tparams.fusion = 'late'", "metrics.loss < 1 AND metrics.loss > 0.3", "params.fusion = 'late'AND params.empty=''",
        "metrics.loss < 1 params.fusion = 'late'", "params.fusion = 'late' AND", "AND metrics.loss < 1", "AND", "AND AND metrics.loss < 1",
        "run_id IN ('x') params.fusion IS NULL", "params.fusion = 'late' run_id IN ('x')", "run_id NOT IN ('x') run_id NOT IN ('y')",
        "run_id NOT IN ('x') params.fusion = 'late'", "status = 'x' params.`a` IS NULL", "metrics.? < 1", "metrics.a::b >= 0", "metrics::a < 1",
        "params.fusion IS NULL metrics.loss < 1", "params.fusion IS NULL params.empty IS NULL",
        "metrics.loss < 1 OR metrics.loss > 2", "NOT metrics.loss < 1", "(metrics.loss < 1)", "metrics.loss < 1 AND (params.fusion = 'late')",
        "metrics.loss BETWEEN 0 AND 1", "metrics.loss < 1;", "metrics.loss < 1; DROP TABLE runs", "metrics.loss < 1 -- comment", "metrics.loss < 1 /* c */",
        "metrics.loss < 1 # comment", "metrics.loss < 1, params.fusion = 'late'", "metrics.loss < 1 AND params.fusion", "params.fusion = 'x' = 'y'",
        "params.fusion = 'late' foo", "metrics.loss < 1AND metrics.loss > 0", "params.fusion = 'late' OR 1 = 1", "foo", "'", "\"", "`", "%", "1", ".", ",",
        "params.fusion = 'late' AND NOT params.empty = ''", "params.fusion = \"late\" AND params.note = \"it's\"", "metrics.loss < 1 AND AND params.fusion != 'x'",
        "params.fusion = 'late'; --", "params.fusion = '; DROP TABLE runs --'", "params.fusion = \"x' OR '1'='1\"", "tags.`x' OR 1=1 --` = 'x'",
        "params.\"x` y\" = 'x'", "metrics.loss < 1 AND metrics.nothing != 1", "attributes.start_time > 1000 AND end_time <= 5000 AND status = 'FINISHED'",
    ];

    public static readonly string[][] Orders =
    [
        [], ["metrics.loss"], ["metrics.loss ASC"], ["metrics.loss DESC"], ["metrics.loss desc"], ["metric.loss Asc"], ["metrics.`eval/fid 1` DESC"],
        ["metrics.\"eval/fid 1\" ASC"], ["metrics.'eval/fid 1'"], ["metrics.nothing DESC"], ["params.fusion"], ["params.fusion DESC"], ["params.`model.dim` ASC"],
        ["params.model.dim DESC"], ["params.lr"], ["tags.phase"], ["tags.phase DESC"], ["tags.`mlflow.user` DESC"], ["tags.mlflow.user"],
        ["attributes.start_time"], ["start_time ASC"], ["start_time DESC"], ["created"], ["Created DESC"], ["end_time"], ["end_time DESC"], ["status"],
        ["attributes.status DESC"], ["run_name"], ["attribute.run_name DESC"], ["run_id"], ["run_id DESC"], ["user_id"], ["artifact_uri DESC"],
        ["params.fusion", "metrics.loss DESC"], ["status DESC", "start_time"], ["tags.phase", "params.fusion DESC", "metrics.loss"],
        ["metrics.loss", "metrics.`eval/fid 1` DESC", "run_name"], ["params.unicode"], ["metrics.a.b.c DESC"], ["metrics.loss   DESC"], ["metrics.loss\tASC"],
        ["`metrics.loss` DESC"], ["\"metrics.loss\" asc"], ["metrics.a.`b.c` desc"], ["metrics.2x desc"], ["metrics.ärger"], ["metrics.1 DESC"], ["metrics.a::b DESC"], ["metrics.a::b"],
        // refused
        [""], [" "], [" metrics.loss"], ["metrics.loss "], ["metrics.loss foo"], ["metrics.loss DESC NULLS LAST"], ["metrics.loss ASC DESC"], ["metrics.loss, run_id"],
        ["metrics.loss", "metrics.loss DESC"], ["created", "start_time"], ["nothing"], ["datasets.name"], ["lifecycle_stage"], ["`run name`"], ["foo.bar DESC"],
        ["metrics.eval/fid"], ["metrics.in"], ["1"], ["metrics.loss; DROP TABLE runs"], ["metrics.loss -- x"], ["`metrics.loss`"], ["metrics.a\"b"], ["DESC"],
        ["metrics.loss < 1"], ["(metrics.loss)"], ["metrics.1"], ["timestamp"],
    ];

    /// <summary>What the server takes and cannot mean: it finds nothing for ever, or takes a clause for a part of a key.</summary>
    public static readonly string[] Stricter =
    [
        "metrics. < 1", "metrics. loss < 1", "metrics.loss DESC < 1", "params.* = 'x'", "metrics.a[0] < 1", "params.fusion = 'late' params.empty IS NULL",
        "run_id IN (('x'))", "run_id IN ('a\\b')",
    ];
}
