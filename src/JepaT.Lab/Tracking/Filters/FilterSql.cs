namespace JepaT.Lab;

/// <summary>
/// Filters and orders as SQL over MLflow's tables, with the meaning of its server 3.17.2: keys and values become parameters, never text
/// of the statement. LIKE must be case-sensitive on the connection, as on the server's.
/// </summary>
internal static class FilterSql
{
    /// <summary>A condition on <c>runs</c>.</summary>
    /// <param name="clause">What must hold.</param>
    /// <param name="parameter">Takes a value, gives the name of the parameter that holds it.</param>
    public static string Condition(FilterClause clause, Func<object, string> parameter)
    {
        var (field, comparator) = (clause.Field, clause.Comparator);
        if (clause.Value is null) return $"{(comparator == "IS NULL" ? "NOT " : "")}EXISTS ({Rows(field, parameter)})";
        switch (field)
        {
            case { Entity: FilterEntity.Attribute, Key: not "run_name" }:
                return Compare(Column(field.Key));
            case { Entity: FilterEntity.Attribute }:            // of old runs only the tag has the name
                return $"EXISTS ({Rows(new(FilterEntity.Tag, "mlflow.runName"), parameter)} AND {Compare("v.value")})";
            case { Entity: FilterEntity.Metric }:               // NaN is stored as 0 with a mark: it differs from all numbers
                return $"EXISTS ({Rows(field, parameter)} AND ({Compare("v.value")} {(comparator == "!=" ? "OR v.is_nan" : "AND NOT v.is_nan")}))";
            case { Entity: FilterEntity.Dataset, Key: "context" }:
                return "EXISTS (SELECT 1 FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id JOIN input_tags t ON t.input_uuid = i.input_uuid "
                    + $"WHERE i.destination_id = runs.run_uuid AND t.name = 'mlflow.data.context' AND {Compare("t.value")})";
            case { Entity: FilterEntity.Dataset }:
                return "EXISTS (SELECT 1 FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
                    + $"WHERE i.destination_id = runs.run_uuid AND {Compare(field.Key == "name" ? "d.name" : "d.digest")})";
            default:
                return $"EXISTS ({Rows(field, parameter)} AND {Compare("v.value")})";
        }

        string Compare(string column) => clause.Value is string[] list ? $"{column} {comparator} ({string.Join(", ", list.Select(parameter))})"
            : comparator == "ILIKE" ? $"lower({column}) LIKE lower({parameter(clause.Value)})"
            : $"{column} {comparator} {parameter(clause.Value)}";
    }

    /// <summary>What follows ORDER BY: NaN after all numbers, runs without the key after all others; then the latest start, then the id.</summary>
    public static string Order(IReadOnlyList<RunOrder> orders, Func<object, string> parameter)
    {
        var terms = new List<string>();
        foreach (var (field, ascending) in orders)
        {
            var value = field.Entity == FilterEntity.Attribute ? Column(field.Key) : $"({Rows(field, parameter, "v.value")})";
            terms.Add(field.Entity == FilterEntity.Metric ? $"COALESCE(({Rows(field, parameter, "v.is_nan")}), 2)" : $"{value} IS NULL");
            terms.Add(value + (ascending ? "" : " DESC"));
        }
        if (!orders.Any(order => order.Field is { Entity: FilterEntity.Attribute, Key: "start_time" })) terms.Add("start_time DESC");
        return string.Join(", ", terms.Append("run_uuid"));
    }

    private static string Rows(FilterField field, Func<object, string> parameter, string what = "1")
    {
        var table = field.Entity switch { FilterEntity.Metric => "latest_metrics", FilterEntity.Param => "params", _ => "tags" };
        return $"SELECT {what} FROM {table} v WHERE v.run_uuid = runs.run_uuid AND v.key = {parameter(field.Key)}";
    }

    // The known attributes only: FilterField refuses all others.
    private static string Column(string attribute) => attribute switch { "run_id" => "run_uuid", "run_name" => "name", _ => attribute };
}
