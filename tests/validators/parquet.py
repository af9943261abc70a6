"""Reads the tables with DuckDB, joins them, and prints counts."""
import pathlib
import sys

import duckdb

folder = pathlib.Path(sys.argv[1])
base = duckdb.connect()
TABLES = (
    "runs", "steps", "edges", "artifacts", "metrics", "outcomes", "parameters", "remarks", "models", "model_changes",
    "aliases", "tags", "notes", "note_references", "note_findings", "repositories",
)
for name in TABLES:
    base.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{folder / name}.parquet')")
    print(name, base.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
orphans = base.execute("SELECT count(*) FROM edges ANTI JOIN steps USING (step)").fetchone()[0]
assert orphans == 0, "edges of no step"
orphans = base.execute("SELECT count(*) FROM edges ANTI JOIN artifacts USING (path, digest)").fetchone()[0]
assert orphans == 0, "edges to no artifact"
for table in ("outcomes", "remarks"):
    orphans = base.execute(f"SELECT count(*) FROM {table} ANTI JOIN runs USING (run)").fetchone()[0]
    assert orphans == 0, f"{table} of no run"
kind = base.execute("SELECT typeof(started_at) FROM runs LIMIT 1").fetchone()
assert kind is None or kind[0] == "TIMESTAMP WITH TIME ZONE", kind
for name, status, ended in base.execute("SELECT name, status, ended_at IS NOT NULL FROM runs ORDER BY started_at").fetchall():
    print("run", name, status, "ended" if ended else "open")
for row in base.execute("SELECT name, value FROM metrics WHERE name = 'loss' ORDER BY ALL").fetchall():
    print("metric", *row)
for table in ("model_changes", "aliases"):
    orphans = base.execute(f"SELECT count(*) FROM {table} WHERE model IS NOT NULL AND model NOT IN (SELECT model FROM models)")
    assert orphans.fetchone()[0] == 0, f"{table} of no model"
for name, version, stage, deleted in base.execute("SELECT name, version, stage, deleted_at IS NOT NULL FROM models ORDER BY ALL").fetchall():
    print("model", name, version, stage, "deleted" if deleted else "there")
for row in base.execute("SELECT path, state FROM notes ORDER BY ALL").fetchall():
    print("note", *row)
for row in base.execute('SELECT alias, model FROM aliases ORDER BY aliases."at"').fetchall():
    print("alias", *row)
