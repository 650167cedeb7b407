"""`qc store`: what is in a store, merge its parts, take a table out, check that the tables fit together."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from qc.cli import console, options
from qc.errors import Exit, StoreError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from qc.store import Store

store_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look into a store, compact it, export its tables.")

_Store = Annotated[Path, typer.Option("--store", help="The store's folder.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@store_app.command("info")
def info(store: _Store = Path("qc-store"), as_json: _Json = False) -> None:
    """Say what is in a store: tables, rows, parts, bytes, failures by reason.

    Example:  qc store info --store qc-store
    """
    opened = options.existing_store(store)
    rows: list[dict[str, Any]] = []
    failures: dict[str, int] = {}
    for name in opened.tables():
        parts = opened.parts(name)
        count = opened.keys(name).num_rows
        rows.append({"table": name, "rows": count, "parts": len(parts), "bytes": sum(p.stat().st_size for p in parts)})
    for reason in opened.read("transcripts", ["status", "reason"]).to_pylist():
        if reason["status"] == "failed":
            failures[reason["reason"] or "unknown"] = failures.get(reason["reason"] or "unknown", 0) + 1
    packs = sorted(p.stem for p in (opened.path / "packs").glob("*.json"))
    if console.result({"store": str(store), "tables": rows, "failures": failures, "packs": packs}, as_json):
        return
    console.table(
        str(store),
        ["table", "rows", "parts", "size"],
        [(r["table"], f"{r['rows']:,}", r["parts"], f"{r['bytes'] / 1e6:,.1f} MB") for r in rows],
        right=(1, 2, 3),
    )
    for reason, n in sorted(failures.items()):
        console.out(f"failed: {n} × {reason}")
    for digest in packs:
        console.out(f"pack: {digest}")


@store_app.command("compact")
def compact(store: _Store = Path("qc-store"), as_json: _Json = False) -> None:
    """Merge each table's parts into one; rows that a later part replaced are dropped. Safe while others append.

    Example:  qc store compact --store qc-store
    """
    opened = options.existing_store(store)
    done = {name: dict(zip(("parts", "rows"), opened.compact(name), strict=True)) for name in opened.tables()}
    if console.result({"store": str(store), "compacted": done}, as_json):
        return
    for name, what in done.items():
        console.out(f"{name}: {what['parts']} parts into 1, {what['rows']:,} rows")


@store_app.command("export")
def export(
    table: Annotated[str, typer.Argument(help="calls, transcripts, findings, scores or summaries.")],
    store: _Store = Path("qc-store"),
    to: Annotated[str, typer.Option("--format", help="jsonl, csv or parquet.")] = "jsonl",
    output: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; standard output if not given.")] = None,
    explode: Annotated[
        str | None, typer.Option("--explode", help="One row for each member of this list, e.g. turns or verdicts.")
    ] = None,
    redact: options.Redact = False,
) -> None:
    """Take a table out of the store. In CSV, nested lists are JSON text, and cells that a spreadsheet would run as a
    formula get an apostrophe before them. With --redact numbers, addresses and names are masked; ids stay, since tables
    are joined by them.

    Example:  qc store export transcripts --explode turns --format csv -o turns.csv
    """
    from qc.packs.reader import suggestion
    from qc.tables import TABLES

    if table not in TABLES:
        raise UsageError(f"there is no table {table!r}", where="TABLE", hint=suggestion(table, TABLES))
    if to not in ("jsonl", "csv", "parquet"):
        raise UsageError(f"cannot export as {to!r}", where="--format", hint=suggestion(to, ("jsonl", "csv", "parquet")))
    if explode and explode not in [f.name for f in TABLES[table].fields if f.type == "list<struct>"]:
        lists = [f.name for f in TABLES[table].fields if f.type == "list<struct>"]
        raise UsageError(f"{table} has no list {explode!r}", where="--explode", hint=suggestion(explode, lists))
    opened = options.existing_store(store)
    data = _redacted(opened, table) if redact else opened.read(table)
    if to == "parquet":
        _write_parquet(data, explode, output)
        return
    with _sink(output) as sink:
        writer = _csv_rows(sink, table, explode) if to == "csv" else _json_rows(sink)
        next(writer)
        for row in _rows(data, explode):
            writer.send(row)
        writer.close()


@store_app.command("check")
def check(store: _Store = Path("qc-store"), as_json: _Json = False) -> None:
    """Check that the tables fit together: every call has a transcript row, every transcript a findings row, and so on.

    Exits 3 when rows are missing.

    Example:  qc store check --store qc-store
    """
    from qc.tables import TABLES

    opened = options.existing_store(store)
    by_call = [name for name in opened.tables() if any(field.name == "call_id" for field in TABLES[name].fields)]
    ids = {name: set(opened.read(name, ["call_id"])["call_id"].to_pylist()) for name in by_call}
    problems = []
    chain = [name for name in ("calls", "transcripts", "findings", "scores") if name in ids]
    for before, after in itertools.pairwise(chain):
        problems += [
            {"table": after, "call_id": c, "problem": f"in {before}, not in {after}"} for c in sorted(ids[before] - ids[after])
        ]
        if (before, after) != ("calls", "transcripts"):
            problems += [
                {"table": before, "call_id": c, "problem": f"in {after}, not in {before}"}
                for c in sorted(ids[after] - ids[before])
            ]
    if not console.result({"store": str(store), "tables": {k: len(v) for k, v in ids.items()}, "problems": problems}, as_json):
        for problem in problems[:50]:
            console.out(f"{problem['call_id']}: {problem['problem']}")
        console.out(f"{len(problems)} problems in {len(chain)} tables")
    if problems:
        raise typer.Exit(int(Exit.FAILED_CALLS))


def _redacted(store: Store, table: str) -> pa.Table:
    """The table with personal data masked, a batch at a time."""
    import pyarrow as pa

    from qc.tables import schema
    from qc.text.rows import redacted

    data = store.read(table)
    rows = (row for batch in data.to_batches(max_chunksize=1000) for row in batch.to_pylist())
    masked = redacted(table, rows, store)
    batches = iter(lambda: list(itertools.islice(masked, 1000)), [])
    return pa.Table.from_batches([pa.RecordBatch.from_pylist(rows, schema=schema(table)) for rows in batches], schema(table))


def _rows(data: pa.Table, explode: str | None) -> Iterator[dict[str, Any]]:
    for batch in data.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            if explode is None:
                yield row
                continue
            for member in row[explode] or []:
                yield {"call_id": row["call_id"], **{k: v for k, v in row.items() if k == "pack_id"}, **member}


def _json_rows(sink: TextIO) -> Any:
    while True:
        row = yield
        sink.write(json.dumps(row, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n")


def _csv_rows(sink: TextIO, table: str, explode: str | None) -> Any:
    import csv

    from qc.tables import TABLES
    from qc.text.cells import harmless

    fields = list(TABLES[table].fields)
    names = [f.name for f in fields]
    if explode:
        inner = next(f for f in fields if f.name == explode)
        names = ["call_id", *(["pack_id"] if "pack_id" in names else []), *(f.name for f in inner.fields)]
    sink.write("\ufeff")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(names)
    while True:
        row = yield
        cells = []
        for name in names:
            value = row[name]
            if isinstance(value, str):
                cells.append(harmless(value))
            elif isinstance(value, list):
                cells.append(json.dumps(value, ensure_ascii=False, sort_keys=True))
            else:
                cells.append("" if value is None else value)
        writer.writerow(cells)


def _write_parquet(data: pa.Table, explode: str | None, output: Path | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if output is None:
        raise UsageError("Parquet needs a file", where="--out", hint="add -o FILE.parquet")
    if explode:
        data = pa.Table.from_pylist(list(_rows(data, explode)))
    pq.write_table(data, output, compression="zstd")


@contextlib.contextmanager
def _sink(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as sink:
            yield sink
    except OSError as error:
        raise StoreError(f"cannot write: {error.strerror}", where=str(output)) from error
