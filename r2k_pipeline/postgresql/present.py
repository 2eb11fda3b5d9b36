"""The content of a database before a publication, and whether it may be replaced.

Belongs here: reading the catalogue, and the reasons to refuse. Not here: changing anything (publication.py).
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from r2k_pipeline.postgresql.address import PublishError
from r2k_pipeline.postgresql.session import Transaction
from r2k_pipeline.postgresql.tables import LAYERS, Shape
from r2k_pipeline.quoting import identifier, literal


@dataclass(frozen=True)
class Generation:
    """The generation that a schema has, and its source."""

    generation_id: str
    published_at: datetime
    as_of: datetime
    source: str
    label: str


@dataclass(frozen=True)
class Rights:
    """Our user and database, and our rights there on the schema and the role of readers."""

    database: str
    user: str
    schema_exists: bool
    owns_schema: bool
    may_create_schema: bool
    reader_exists: bool
    may_create_reader: bool


@dataclass(frozen=True)
class Present:
    """The tables of the schema, their comments (None: the table's), the last published generation."""

    shapes: dict[str, Shape]
    comments: dict[tuple[str, str | None], str]
    generation: Generation | None
    published: frozenset[str]


LONGEST_NAME: Final = 63
"""Bytes of a name in PostgreSQL; a longer one is cut without an error."""
GENERATION: Final = "generation_id, published_at, as_of, source, label"


def read_rights(target: Transaction, schema: str, reader: str) -> Rights:
    """Rights by the catalogue; a member of the owning role needs `usage` to alter what it owns."""
    (found,) = target.rows(f"""
        select current_database(), current_user, space.oid is not null,
            coalesce(pg_has_role(space.nspowner, 'usage'), false),
            has_database_privilege(current_database(), 'create'),
            exists (select from pg_roles where rolname = {literal(reader)}),
            (select rolsuper or rolcreaterole from pg_roles where rolname = current_user)
        from (select) as one left join pg_namespace as space on space.nspname = {literal(schema)}""")
    return Rights(*found)


def read_present(target: Transaction, schema: str) -> Present:
    """Read from the catalogue and from two tables of the last publication."""
    shapes = _shapes(target, schema)
    place = identifier(schema)
    generation, published = None, frozenset[str]()
    if set(GENERATION.split(", ")) <= shapes.get("generation", _NOTHING).types.keys():
        rows = target.rows(f"select {GENERATION} from {place}.generation")
        generation = Generation(*rows[0]) if rows else None
    if {"layer_name", "table_name"} <= shapes.get("column_dictionary", _NOTHING).types.keys():
        layers = ", ".join(map(literal, LAYERS))
        listed = f"select distinct table_name from {place}.column_dictionary where layer_name in ({layers})"
        published = frozenset(name for (name,) in target.rows(listed))
    return Present(shapes, _comments(target, schema), generation, published)


def refuse_name(option: str, name: str) -> None:
    """Raises PublishError for a name that PostgreSQL reserves, or would cut short."""
    size = len(name.encode())
    if not 0 < size <= LONGEST_NAME or name.startswith("pg_") or name == "information_schema":
        usable = f"one of 1 to {LONGEST_NAME} bytes that is neither `pg_...` nor `information_schema`"
        raise PublishError(f"{option} {name!r}", "not a usable name", usable)


def refuse_without_rights(rights: Rights, schema: str, reader: str) -> None:
    """Raises PublishError with the SQL that an administrator must run once."""
    place, role, user = identifier(schema), identifier(reader), identifier(rights.user)
    missing, remedy = [], []
    if not rights.schema_exists and not rights.may_create_schema:
        missing.append(f"create a schema in database {rights.database}")
        remedy.append(f"create schema {place} authorization {user};")
    if rights.schema_exists and not rights.owns_schema:
        missing.append(f"publish into schema {schema}, which belongs to another role")
        remedy.append(f"alter schema {place} owner to {user};")
    if not rights.reader_exists and not rights.may_create_reader:
        missing.append(f"create the role {reader} for readers")
        remedy.append(f"create role {role} nologin;")
    if missing:
        raise PublishError(
            f"user {rights.user} may not {' nor '.join(missing)}", next=f"have an administrator run: {' '.join(remedy)}"
        )


def refuse_foreign_tables(present: Present, schema: str, names: Collection[str]) -> None:
    """Raises PublishError for tables of our names in a schema without a generation."""
    foreign = sorted(name for name in names if name in present.shapes)
    if present.generation is None and foreign:
        raise PublishError(
            f"schema {schema} has tables that r2k did not publish ({', '.join(foreign)})",
            next="name a schema of its own with --schema",
        )


def refuse_to_replace(present: Present, arriving: Generation, schema: str) -> None:
    """Raises PublishError if the schema has another source or a newer moment."""
    there = present.generation
    if there and there.source != arriving.source:
        raise PublishError(
            f"schema {schema} has source {there.source}, this is source {arriving.source} ({arriving.label})",
            next="name another schema with --schema, or replace it with --force",
        )
    if there and there.as_of > arriving.as_of:
        raise PublishError(
            f"schema {schema} has what was known at {there.as_of:%Y-%m-%dT%H:%MZ}, "
            f"this is older ({arriving.as_of:%Y-%m-%dT%H:%MZ})",
            next="name another schema with --schema, or replace it with --force",
        )


_NOTHING: Final = Shape({}, frozenset(), ())


def _shapes(target: Transaction, schema: str) -> dict[str, Shape]:
    found = target.rows(f"""
        select held.relname, col.attname, format_type(col.atttypid, col.atttypmod), col.attnotnull,
            array_position(key.indkey::int2[], col.attnum)
        from pg_class as held join pg_attribute as col on col.attrelid = held.oid
            left join pg_index as key on key.indrelid = held.oid and key.indisprimary
        where held.relnamespace = (select oid from pg_namespace where nspname = {literal(schema)})
            and held.relkind in ('r', 'p', 'v', 'm', 'f') and col.attnum > 0 and not col.attisdropped
        order by held.relname, col.attnum""")
    columns = defaultdict(list)
    for table, *column in found:
        columns[table].append(column)
    return {
        table: Shape(
            {name: kind for name, kind, _, _ in listed},
            frozenset(name for name, _, not_null, _ in listed if not not_null),
            tuple(name for *_, name in sorted((at, name) for name, _, _, at in listed if at is not None)),
        )
        for table, listed in columns.items()
    }


def _comments(target: Transaction, schema: str) -> dict[tuple[str, str | None], str]:
    found = target.rows(f"""
        select held.relname, col.attname, said.description
        from pg_class as held join pg_description as said
                on said.objoid = held.oid and said.classoid = 'pg_class'::regclass
            left join pg_attribute as col
                on col.attrelid = held.oid and col.attnum = said.objsubid and said.objsubid > 0
        where held.relnamespace = (select oid from pg_namespace where nspname = {literal(schema)})""")
    return {(table, column): text for table, column, text in found}
