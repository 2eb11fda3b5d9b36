"""The published columns are those of the schema's version: BI users are told of a change by a new one."""

import csv
import io
from typing import Final

from r2k_pipeline.contracts.table import SCHEMA_VERSION
from r2k_pipeline.report.dictionary import build_schema
from tests.documents import PROJECT
from tests.lakes import Published

RELEASED: Final = PROJECT / "docs" / "schema"
Columns = dict[tuple[str, str], dict[str, str]]


def columns(text: str) -> Columns:
    """Each column of a schema by table and name."""
    return {(row["table"], row["column"]): row for row in csv.DictReader(io.StringIO(text))}


def of_version(version: int) -> Columns:
    return columns((RELEASED / f"{version}.csv").read_text("utf-8"))


def differences(before: Columns, after: Columns) -> list[str]:
    """What changed, a line a column."""
    gone = [f"{table}.{name} is gone" for table, name in before.keys() - after.keys()]
    new = [f"{table}.{name} is new" for table, name in after.keys() - before.keys()]
    same = before.keys() & after.keys()
    other = [f"{'.'.join(key)}: {before[key]} -> {after[key]}" for key in same if before[key] != after[key]]
    return sorted([*gone, *new, *other])


def test_the_columns_are_those_of_the_released_schema() -> None:
    found = differences(of_version(SCHEMA_VERSION), columns(build_schema()))
    remedy = (
        f"raise SCHEMA_VERSION to {SCHEMA_VERSION + 1}, say in the CHANGELOG what changed, and write "
        f"`python -m r2k_pipeline.report.dictionary --schema > docs/schema/{SCHEMA_VERSION + 1}.csv`"
    )
    assert not found, "\n".join([*found, remedy])


def test_each_version_is_in_the_changelog_and_differs_from_the_one_before() -> None:
    said = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    assert {file.stem for file in RELEASED.iterdir()} == {str(version) for version in range(1, SCHEMA_VERSION + 1)}
    for version in range(1, SCHEMA_VERSION + 1):
        assert f"Schema {version}" in said
    for version in range(2, SCHEMA_VERSION + 1):
        assert differences(of_version(version - 1), of_version(version))


def test_a_column_that_changes_is_a_difference() -> None:
    before = of_version(1)
    key = next(iter(before))
    assert differences(before, {name: row for name, row in before.items() if name != key}) == [
        f"{'.'.join(key)} is gone"
    ]
    assert len(differences(before, before | {key: before[key] | {"type": "other"}})) == 1


def test_a_generation_says_its_version(sample: Published) -> None:
    assert sample.query("select schema_version from meta.generation") == [(SCHEMA_VERSION,)]
