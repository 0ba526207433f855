"""The tables of the report, as Markdown."""

NAMES = {
    "engine": "diaflight", "bare": "bare reader", "postgres": "PostgreSQL", "duckdb": "DuckDB, `IN`",
    "duckdb join": "DuckDB, join", "duckdb table": "DuckDB's own table",
}
COLUMNS = ["4 columns", "all columns"]


def figure(value):
    """Three digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def millions(rows):
    return f"{rows / 1e6:.3g} M"


def table(head, rows):
    cells = lambda row: f"| {' | '.join(cell if isinstance(cell, str) else figure(cell) for cell in row)} |"
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *map(cells, rows)])


def machine(results):
    """Parts that were measured on another day or of another commit say so."""
    known, others = results["machine"], {}
    for part, made in results.get("made", {}).items():
        if any(made[what] != known[what] for what in made):
            others.setdefault(f"{made['date']}, diaflight {made['diaflight']}", []).append(part)
    lines = known | {", ".join(parts): made for made, parts in others.items()}
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def targets(found):
    head = ["", "target", "measured", "beside", "ratio", ""]
    unit = lambda value, target: f"{figure(value)} {target.unit}" if value is not None else ""
    rows = [
        [t.what, t.target, unit(t.measured, t), unit(t.beside, t), f"{t.ratio:.2f}", "met" if t.met else "**missed**"]
        for t in found
    ]
    return table(head, rows)


def one_object(rows):
    reference = {(row["sources"], row["columns"]): row["p50"] for row in rows if row["reader"] == "postgres"}
    head = ["sources", "columns", "reader", "p50 µs", "p90 µs", "p99 µs", "p50 of PostgreSQL's"]
    return table(head, [
        [millions(row["sources"]), row["columns"], NAMES[row["reader"]], row["p50"], row["p90"], row["p99"],
         f"{row['p50'] / reference[row['sources'], row['columns']]:.2f}"]
        for row in rows
    ])


def by_rows(rows, sources):
    return pivot([row for row in rows if row["sources"] == sources], ["columns", "rows"], 1)


def by_size(rows):
    rows = [row | {"sources": millions(row["sources"])} for row in rows]
    return pivot(rows, ["columns", "sources"], 1)


def many_objects(rows):
    rows = [row | {"sources": millions(row["sources"])} for row in rows]
    return pivot(rows, ["sources", "columns", "ids", "rows"], 1000)


def pivot(rows, keys, scale):
    """One row for each combination of the keys' values, one column for each reader: its p50."""
    readers = list(dict.fromkeys(row["reader"] for row in rows))
    cells = {}
    for row in sorted(rows, key=lambda row: row["columns"]):
        cells.setdefault(tuple(row[key] for key in keys), {})[row["reader"]] = row["p50"] / scale
    unit = {1: "µs", 1000: "ms"}[scale]
    head = [*keys, *(f"{NAMES[reader]}, {unit}" for reader in readers)]
    return table(head, [[*key, *(of_readers.get(reader) for reader in readers)] for key, of_readers in cells.items()])


def formats(rows):
    head = ["format", "columns", "p50 ms", "p90 ms", "p99 ms", "requests/s", "bytes an answer"]
    return table(head, [
        [row["format"], row["columns"], *(row[p] / 1000 for p in ("p50", "p90", "p99")), row["per second"],
         row["bytes"] / row["requests"]]
        for row in rows
    ])


def connections(rows):
    head = ["connections", "requests/s", "p50 ms", "p90 ms", "p99 ms"]
    of = lambda row: [row["connections"], row["per second"], *(row[p] / 1000 for p in ("p50", "p90", "p99"))]
    return table(head, map(of, rows))


def storage(rows):
    head = ["sources", "columns", "p50 ms", "p99 ms", "requests", "in sequence", "at most", "KiB read"]
    return table(head, [
        [millions(row["sources"]), row["columns"], row["p50_ms"], row["p99_ms"], row["requests"], row["in_sequence"],
         row["in_sequence at most"], row["bytes"] / 1024]
        for row in rows
    ])


def readiness(rows):
    held = list(dict.fromkeys(name for row in rows for name in row["held"]))
    head = ["sources", "ready after ms", "MiB at start", "after lookups", "at most", *(f"{name}, B a source" for name in held)]
    return table(head, [
        [millions(row["sources"]), row["ready_s"] * 1000, row["at start MiB"], row["VmRSS"], row["VmHWM"],
         *(row["held"].get(name, 0) / row["sources"] for name in held)]
        for row in rows
    ])


def statements(rows):
    head = ["statement", "sources", "diaflight, s", "DuckDB, s", "ratio"]
    return table(head, [
        [row["statement"], millions(row["sources"]), row["diaflight"], row["duckdb"], f"{row['diaflight'] / row['duckdb']:.2f}"]
        for row in rows
    ])


def surveys(rows):
    head = ["objects", "sources", "forced", "MiB of sources", "MiB of all", "s", "CPU s", "sources/s a core"]
    return table(head, [
        [row["objects"], row["rows"]["sources"], row["rows"]["fp"], row["bytes"]["sources"] / 2**20,
         sum(row["bytes"].values()) / 2**20, row["generate"]["seconds"], row["generate"]["cpu_seconds"],
         row["rows"]["sources"] / row["generate"]["cpu_seconds"]]
        for row in rows
    ])


def writing(rows):
    head = ["writer", "sources", "s", "CPU s", "sources/s a core"]
    of = lambda row: [row["writer"], row["sources"], row["seconds"], row["cpu_seconds"], row["rows/s a core"]]
    return table(head, map(of, rows))


def layouts(rows):
    head = [
        "layout", "bytes a source", "index, bytes a source", *(f"{columns}, p50 µs" for columns in COLUMNS),
        "scan s", "DuckDB", "aggregate s", "DuckDB",
        *(f"{what}, {columns}" for what in ("requests", "KiB") for columns in COLUMNS),
    ]
    return table(head, [layout(row, is_default=row is rows[0]) for row in rows])


def default_layout(rows):
    default = rows[0]["properties"]
    groups, pages = (f"{default[what]:,}" for what in ("row_group_rows", "page_rows"))
    return f"row groups of {groups} rows, pages of {pages}, {default['codec']}, dictionaries for {default['dictionary']}"


def layout(row, is_default):
    by_columns = lambda part, figure: [next(of[figure] for of in row[part] if of["columns"] == columns) for columns in COLUMNS]
    return [
        f"**{row['layout']}**" if is_default else row["layout"],
        row["bytes"] / row["sources"], sum(row["index"].values()) / row["sources"], *by_columns("lookups", "p50"),
        *(row["seconds"][statement][reader] for statement in ("scan", "aggregate") for reader in ("diaflight", "duckdb")),
        *by_columns("storage", "requests"), *(read / 1024 for read in by_columns("storage", "bytes")),
    ]


def cones(rows):
    head = ["objects", "reader", "rows", "p50 ms", "p90 ms", "p99 ms"]
    return table(head, [[millions(row["objects"]), NAMES[row["reader"]], row["rows"], *(row[p] / 1000 for p in ("p50", "p90", "p99"))] for row in rows])


def matches(rows):
    head = ["objects", "places", "diaflight, s", "astropy, s", "PostgreSQL, s"]
    return table(head, [[millions(row["objects"]), row["places"], row["diaflight"], row["astropy"], row["postgres"]] for row in rows])


def field(rows):
    head = ["objects in the answer", "sources of the table", "s"]
    return table(head, [[row["objects"], millions(row["sources"]), row["seconds"]] for row in rows])
