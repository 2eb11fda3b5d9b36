"""The SQL of a published table in PostgreSQL, built from its contract.

Belongs here: names, types, keys, indexes, comments and the statements that replace rows; all pure. Not here: running
them (publication.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import dataframely as dy

from r2k_pipeline.contracts.columns import sql_type_of
from r2k_pipeline.contracts.table import Table
from r2k_pipeline.quoting import identifier, literal
from r2k_pipeline.tables import TABLES

LAYERS: Final = ("marts", "meta")
"""The layers that are published: what dashboards read, and its generation and units."""
TYPES: Final = {"varchar": "text", "double": "double precision", "timestamptz": "timestamp with time zone"}
"""PostgreSQL's names where they differ from the warehouse's."""
DAYS: Final = ("session_date", "report_date")
"""A row's day is the first of these that its table has. Dashboards filter by it and by known_at."""
WIDE: Final = ("row_values",)
"""Key columns with a whole vendor row as text: longer than an index entry may be (2,704 bytes)."""


@dataclass(frozen=True)
class Shape:
    """A table's columns as PostgreSQL names their types, whether they may be null, and its primary key."""

    types: Mapping[str, str]
    nullable: frozenset[str]
    primary_key: tuple[str, ...]

    def lacks_only_columns(self, wanted: "Shape") -> bool:
        """Whether adding columns and changing nullability gives `wanted`: then users' views on the table stay."""
        kept = {name: wanted.types.get(name) for name in self.types}
        return kept == dict(self.types) and self.primary_key == wanted.primary_key


@dataclass(frozen=True)
class PublishedTable:
    """A table of the warehouse in a schema of PostgreSQL, without its layer."""

    contract: type[Table]
    schema: str

    @property
    def name(self) -> str:
        """Its name within the schema."""
        return self.contract.table

    @property
    def dotted(self) -> str:
        """Its name in SQL."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @property
    def incoming(self) -> str:
        """The temporary table that receives the rows."""
        return f"incoming_{self.name}"

    @property
    def shape(self) -> Shape:
        """Its columns, nullability and key by the contract."""
        columns = self.contract.columns()
        key = self.contract.primary_key()
        return Shape(
            {name: postgresql_type(column) for name, column in columns.items()},
            frozenset(name for name, column in columns.items() if column.nullable),
            () if any(name in WIDE for name in key) else tuple(key),
        )

    def create(self) -> str:
        """The table without key and indexes: they cost least once the rows are in."""
        shape = self.shape
        columns = ", ".join(
            f"{identifier(name)} {kind}{'' if name in shape.nullable else ' not null'}"
            for name, kind in shape.types.items()
        )
        return f"create table {self.dotted} ({columns})"

    def index(self) -> list[str]:
        """Primary key, and indexes on the day and on known_at."""
        key = self.shape.primary_key
        keyed = [f"alter table {self.dotted} add primary key ({_listed(key)})"] if key else []
        day = [name for name in DAYS if name in self.shape.types][:1]
        searched = [name for name in (*day, "known_at") if name in self.shape.types and key[:1] != (name,)]
        return keyed + [f"create index on {self.dotted} ({identifier(name)})" for name in searched]

    def add_columns(self, present: Shape) -> list[str]:
        """Columns that `present` lacks; they may be null until the rows are in."""
        missing = {name: kind for name, kind in self.shape.types.items() if name not in present.types}
        freed = [name for name in present.types if name in self.shape.nullable - present.nullable]
        return [
            *(f"alter table {self.dotted} add column {identifier(name)} {kind}" for name, kind in missing.items()),
            *(f"alter table {self.dotted} alter column {identifier(name)} drop not null" for name in freed),
        ]

    def forbid_nulls(self, present: Shape) -> list[str]:
        """NOT NULL for columns that `add_columns` left nullable, once the rows are in."""
        closed = [name for name in self.shape.types if name not in self.shape.nullable]
        still_open = [name for name in closed if name not in present.types or name in present.nullable]
        return [f"alter table {self.dotted} alter column {identifier(name)} set not null" for name in still_open]

    def receive(self, present: Shape | None) -> str:
        """Create the temporary table that receives the rows, with the columns in the table's order.

        It is not logged and ends with the transaction.
        """
        there = present.types if present else {}
        columns = [*there, *(name for name in self.shape.types if name not in there)]
        typed = ", ".join(f"{identifier(name)} {self.shape.types[name]}" for name in columns)
        return f"create temporary table {identifier(self.incoming)} ({typed}) on commit drop"

    def delete_changed(self) -> str:
        """Delete the rows that did not arrive again unchanged, bit by bit (`*=`)."""
        return (
            f"delete from {self.dotted} as present where not exists "
            f"(select from pg_temp.{identifier(self.incoming)} as incoming where {self._same_key()} "
            "and incoming *= present)"
        )

    def insert_new(self) -> str:
        """Insert the rows whose key is not there."""
        return (
            f"insert into {self.dotted} select incoming.* from pg_temp.{identifier(self.incoming)} as incoming "
            f"where not exists (select from {self.dotted} as present where {self._same_key()})"
        )

    def comments(self) -> dict[str | None, str]:
        """The comments of the table (under None) and of each column, with its unit."""
        units = self.contract.units()
        columns = self.contract.columns().items()
        return {None: self.contract.description()} | {
            name: f"{column.description} [{units[name]}]" for name, column in columns
        }

    def comment(self, column: str | None, text: str) -> str:
        """The statement that sets one comment."""
        target = f"table {self.dotted}" if column is None else f"column {self.dotted}.{identifier(column)}"
        return f"comment on {target} is {literal(text)}"

    def _same_key(self) -> str:
        key = self.contract.primary_key()
        return " and ".join(f"incoming.{identifier(name)} = present.{identifier(name)}" for name in key)


def published_tables(schema: str) -> list[PublishedTable]:
    """Every published table, in `schema`."""
    return [PublishedTable(table, schema) for table in TABLES.values() if table.layer in LAYERS]


def postgresql_type(column: dy.Column) -> str:
    """PostgreSQL's name of a column's type; KeyError for one that has no plain type there (lists, structs)."""
    kind = sql_type_of(column)
    return TYPES.get(kind, kind)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(identifier, names))
