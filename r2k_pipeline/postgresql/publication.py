"""Publishing a warehouse to PostgreSQL: changed rows replaced in one transaction, while readers go on without waiting.

Belongs here: the order of a publication. Not here: the SQL of a table (tables.py), reasons to refuse (present.py).
Rows are replaced in tables that stay, so that a snapshot of any age sees one whole generation (docs/decisions.md).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import duckdb

from r2k_pipeline.errors import R2kError
from r2k_pipeline.postgresql.address import Address, PublishError
from r2k_pipeline.postgresql.present import (
    GENERATION,
    Generation,
    Present,
    Rights,
    read_present,
    read_rights,
    refuse_foreign_tables,
    refuse_name,
    refuse_to_replace,
    refuse_without_rights,
)
from r2k_pipeline.postgresql.session import Transaction, on_one_line, transaction
from r2k_pipeline.postgresql.tables import PublishedTable, Shape, published_tables
from r2k_pipeline.quoting import identifier, literal
from r2k_pipeline.snapshot import SUMMARIES, Snapshot
from r2k_pipeline.vendors import in_full

SCHEMA: Final = "r2k"
BATCH_ROWS: Final = 65_536
"""Rows of one Arrow batch: bounds the memory that a large table takes."""
SETTINGS: Final = {"lock_timeout": "30s", "work_mem": "64MB", "temp_buffers": "64MB", "jit": "off"}
"""Settings of the transaction: waits for locks end, and tables of this size are joined in memory, without JIT."""
LOCK_ATTEMPTS: Final = 30
"""Attempts of half a second each, with half a second between them in which waiting readers go on."""


@dataclass(frozen=True)
class Change:
    """Rows of one table after the publication, and how many it deleted and inserted."""

    table: str
    rows: int
    deleted: int
    inserted: int


@dataclass(frozen=True)
class Publication:
    """The result of one `r2k publish`. `changes` is empty if the same generation was already there."""

    address: str
    schema: str
    reader: str
    generation: Generation
    changes: tuple[Change, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; instants as text."""
        generation = {name: str(value) for name, value in asdict(self.generation).items()}
        return {**asdict(self), "generation": generation, "is_new": bool(self.changes)}

    def text(self) -> str:
        """For people: the generation, the changes, the role that may read."""
        said = f"{self.address}: schema {self.schema}: generation {self.generation.generation_id}"
        said += f" ({self.generation.label}), as of {self.generation.as_of:%Y-%m-%dT%H:%MZ}"
        if not self.changes:
            return (
                f"{said} is already there, readable by {self.reader}; no row was touched (--force publishes it again)"
            )
        lines = [f"  {c.table:<28} {c.rows:>9,} rows  -{c.deleted:,} +{c.inserted:,}" for c in self.changes]
        return "\n".join([f"{said}, published in {self.seconds:.1f} s, readable by {self.reader}", *lines])


def publish_to_postgresql(
    snapshot: Snapshot, address: Address, *, schema: str, reader: str, force: bool
) -> Publication:
    """Publish marts and meta of `snapshot` into `schema`, readable by the role `reader`; nothing else is touched.

    Without `force` the same generation is not published again, and another source or an older moment replaces nothing.
    Raises R2kError for the warehouse, PublishError for the database, which is then unchanged.
    """
    started = time.perf_counter()
    for option, name in (("--schema", schema), ("--reader", reader)):
        refuse_name(option, name)
    for summary in SUMMARIES if snapshot.is_past else ():
        snapshot.read(summary)
    arriving = _read_generation(snapshot)
    with transaction(address) as target:
        changes = _publish(snapshot, target, arriving, schema, reader, force)
    return Publication(address.shown, schema, reader, arriving, changes, time.perf_counter() - started)


def _publish(
    source: Snapshot, target: Transaction, arriving: Generation, schema: str, reader: str, force: bool
) -> tuple[Change, ...]:
    _be_alone(target, schema)
    tables = published_tables(schema)
    rights = read_rights(target, schema, reader)
    refuse_without_rights(rights, schema, reader)
    present = read_present(target, schema)
    if present.generation == arriving and not force:
        target.run_all(_make_room(rights, schema, reader))
        target.run_all(_grant(target, schema, reader))  # --reader may name another role now
        return ()
    refuse_foreign_tables(present, schema, [table.name for table in tables])
    if not force:
        refuse_to_replace(present, arriving, schema)
    kept = {
        table: present.shapes[table.name]
        for table in tables
        if table.name in present.shapes and present.shapes[table.name].lacks_only_columns(table.shape)
    }
    target.run_all([table.receive(kept.get(table)) for table in tables])
    arrived = {table: _receive(source, target, table) for table in tables}
    target.run_all(_make_room(rights, schema, reader))
    target.run_all(_shape(present, schema, tables, kept))
    changes = tuple(_replace(target, table, rows) for table, rows in arrived.items())
    target.run_all(_finish(tables, kept))
    target.run_all(_describe(tables, kept, present, schema, arriving))
    target.run_all(_grant(target, schema, reader))
    return changes


def _read_generation(source: Snapshot) -> Generation:
    try:
        (found,) = source.connection.execute(f"select {GENERATION} from meta.generation").fetchall()
    except (duckdb.Error, ValueError) as error:
        said = f"has no single row in meta.generation: {on_one_line(str(error))}"
        raise R2kError(source.file, said, source.lake.run) from error
    return Generation(*found)


def _be_alone(target: Transaction, schema: str) -> None:
    """One publication at a time into one schema; the lock ends with the transaction."""
    target.run_all([f"set local {name} = '{value}'" for name, value in SETTINGS.items()])
    ((free,),) = target.rows(f"select pg_try_advisory_xact_lock(hashtext({literal('r2k publish ' + schema)}))")
    if not free:
        raise PublishError(f"another publication into schema {schema} is under way", next="publish again after it")


def _receive(source: Snapshot, target: Transaction, table: PublishedTable) -> int:
    """The rows of one table, streamed from the warehouse into a temporary table; how many."""
    name = table.contract.dotted()
    try:
        rows = source.connection.sql(f"select {', '.join(table.contract.column_names())} from {name}")
        return target.ingest(table.incoming, rows.to_arrow_reader(BATCH_ROWS))
    except duckdb.Error as error:
        said = f"not in the warehouse as this version has it: {on_one_line(str(error))}"
        raise PublishError(name, said, source.lake.run) from error


def _make_room(rights: Rights, schema: str, reader: str) -> list[str]:
    made = [] if rights.schema_exists else [f"create schema {identifier(schema)}"]
    return made if rights.reader_exists else [*made, f"create role {identifier(reader)} nologin"]


def _shape(
    present: Present, schema: str, tables: Sequence[PublishedTable], kept: Mapping[PublishedTable, Shape]
) -> list[str]:
    """Statements that give tables their columns; a table that has them is not touched."""
    names = {table.name for table in tables}
    retired = sorted((present.published - names) & present.shapes.keys())
    remade = [table.name for table in tables if table.name in present.shapes and table not in kept]
    gone = [f"{identifier(schema)}.{identifier(name)}" for name in (*retired, *remade)]
    grown = {table: added for table, shape in kept.items() if (added := table.add_columns(shape))}
    return [
        *_lock([*gone, *(table.dotted for table in grown)]),
        *(f"drop table {name}" for name in gone),  # fails, with a message, if a user's view depends on it
        *(table.create() for table in tables if table not in kept),
        *(statement for added in grown.values() for statement in added),
    ]


def _lock(tables: Sequence[str]) -> list[str]:
    """Lock all or none, in attempts shorter than the server's deadlock timeout (1 s): no reader is cancelled."""
    if not tables:
        return []
    return [
        f"""for attempt in 1..{LOCK_ATTEMPTS} loop
            begin
                set local lock_timeout = '500ms';
                lock table {", ".join(tables)} in access exclusive mode;
                exit;
            exception when lock_not_available then
                if attempt = {LOCK_ATTEMPTS} then raise; end if;
                perform pg_sleep(0.5);
            end;
        end loop""",
        "set local lock_timeout = '30s'",
    ]


def _replace(target: Transaction, table: PublishedTable, rows: int) -> Change:
    deleted, inserted = target.count(table.delete_changed()), target.count(table.insert_new())
    ((there,),) = target.rows(f"select count(*) from {table.dotted}")
    if there != rows:
        raise PublishError(table.dotted, f"{rows} rows were expected, {there} are there", "publish again")
    return Change(table.name, rows, deleted, inserted)


def _finish(tables: Sequence[PublishedTable], kept: Mapping[PublishedTable, Shape]) -> list[str]:
    """Keys and indexes of new tables, and what may not be null in those that grew."""
    made = [statement for table in tables if table not in kept for statement in table.index()]
    return made + [statement for table, shape in kept.items() for statement in table.forbid_nulls(shape)]


def _describe(
    tables: Sequence[PublishedTable],
    kept: Mapping[PublishedTable, Shape],
    present: Present,
    schema: str,
    arriving: Generation,
) -> list[str]:
    """The comments that are missing or differ, and the schema's, which names a SAMPLE, or vendors and their terms."""
    said = f"r2k: {arriving.label}; generation {arriving.generation_id}, as of {arriving.as_of:%Y-%m-%dT%H:%MZ}"
    said = "\n".join([said, *in_full(is_sample=arriving.source == "sample")])
    return [f"comment on schema {identifier(schema)} is {literal(said)}"] + [
        table.comment(column, text)
        for table in tables
        for column, text in table.comments().items()
        if table not in kept or present.comments.get((table.name, column)) != text
    ]


def _grant(target: Transaction, schema: str, reader: str) -> list[str]:
    """The grants that the readers' role lacks on the tables that r2k published."""
    role, place = identifier(reader), identifier(schema)
    names = ", ".join(literal(table.name) for table in published_tables(schema))
    closed = target.rows(
        f"select relname from pg_class where relnamespace = {literal(place)}::regnamespace and relname in ({names}) "
        f"and relkind = 'r' and not has_table_privilege({literal(reader)}, oid, 'select')"
    )
    return [f"grant usage on schema {place} to {role}"] + [
        f"grant select on {place}.{identifier(name)} to {role}" for (name,) in closed
    ]
