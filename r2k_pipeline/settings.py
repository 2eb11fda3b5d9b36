"""The one reader of environment and config file: every knob of r2k, typed and frozen.

Belongs here: R2K_* variables and r2k.toml. Not here: anything read elsewhere from the environment,
market identity (markets.toml), run-time state.
"""

import os
import tomllib
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from r2k_pipeline.contracts.cot import REPORT_TYPES

PROJECT: Final = Path(__file__).resolve().parents[1]
"""The checkout: sql/, workspace.yaml and dagster.yaml live beside the package."""

SourceName = Literal["sample", "files", "live"]
ReportType = Annotated[str, StringConstraints(pattern="^(" + "|".join(REPORT_TYPES) + ")$")]

MemoryLimit = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?\s*[KMGT]i?B$")]


class Settings(BaseSettings):
    """What a user can set, as `R2K_NAME` or as `name = ...` in r2k.toml; arguments win over both."""

    # `R2K_LAKE=$UNSET r2k run` means the default, not the current folder.
    model_config = SettingsConfigDict(
        env_prefix="R2K_", env_ignore_empty=True, toml_file="r2k.toml", frozen=True, extra="forbid"
    )

    source: SourceName = "sample"
    files: Path | None = Field(None, description="folder of downloaded files, for source `files`")
    lake: Path = Field(PROJECT / "data_lake", description="where all data goes; one folder a source below it")
    markets: Path | None = Field(None, description="a markets.toml of your own, added to the shipped one")
    as_of: datetime | None = Field(None, description="rebuild as known at this moment; default: now")
    report_types: tuple[ReportType, ...] = Field(REPORT_TYPES, description="COT reports that `live` fetches")
    first_year: int = Field(2006, ge=1986, description="first year of COT reports that `live` fetches")
    profile_since: tuple[date, ...] = Field((), description="days since which volume profiles are kept as well")
    memory_limit: MemoryLimit = Field(
        "1GB", description="DuckDB's memory limit for a SQL model or forty markets of it, or a query"
    )
    query_seconds: float = Field(60, gt=0, le=86_400, description="a query of `r2k sql` is stopped after this long")
    corrections: Path | None = Field(None, description="a corrections.toml of your own, added to the shipped one")
    revision_share: float = Field(
        0.05, ge=0, le=1, description="an answer that revises more than this share of a history waits for `r2k accept`"
    )
    refused_share: float = Field(
        0.05, ge=0, le=1, description="an item of which more than this share of rows is refused has failed"
    )
    live_seconds: float = Field(300, gt=0, description="all fetches of `live` together end after this long")
    raw_files_before_compaction: int = Field(64, ge=1, description="more files of one raw table are merged into one")
    keep_generations: int = Field(3, ge=1, description="published generations that are kept, the current one too")
    keep_runs: int = Field(100, ge=1, description="Dagster's records of older runs are deleted")
    lock_wait_seconds: float = Field(0, ge=0, description="how long a run waits for the lake to be free")

    @classmethod
    def of_surroundings(cls) -> "Settings":
        """As the environment and r2k.toml say, without arguments."""
        return cls(**{})

    @field_validator("as_of")
    @classmethod
    def _needs_a_zone(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment.tzinfo is None:
            raise ValueError("say the time zone, e.g. 2025-03-14T15:00-04:00")
        return moment and moment.astimezone(UTC)

    @field_validator("profile_since")
    @classmethod
    def _names_a_day_once(cls, days: tuple[date, ...]) -> tuple[date, ...]:
        """A day is a window's name: said twice, it would give every row of that window twice."""
        if twice := sorted({day for day in days if days.count(day) > 1}):
            raise ValueError(f"{', '.join(map(str, twice))} said more than once; next: leave the repeat out")
        return days

    @field_validator("files", "lake", "markets", "corrections")
    @classmethod
    def _stays_where_it_was_said(cls, path: Path | None) -> Path | None:
        """Absolute, so that a process started elsewhere (Dagster's) means the same folder."""
        return path and path.expanduser().absolute()

    @field_validator("lake")
    @classmethod
    def _is_one_that_duckdb_writes_to(cls, lake: Path) -> Path:
        """It takes `?` for the end of a database's name and `\\` for a folder's, and would write elsewhere."""
        if unfit := {*str(lake)} & {"?", "\\"}:
            raise ValueError(f"DuckDB writes to no path with {' '.join(sorted(unfit))} in it; next: another folder")
        return lake

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        _refuse_unknown_variables(frozenset(settings_cls.model_fields))
        try:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"r2k.toml: not TOML: {error}; next: fix it or take it away") from error


def _refuse_unknown_variables(fields: AbstractSet[str]) -> None:
    """Raise SettingsError for an R2K_* variable that is no setting: what it was to change would stay as it is."""
    for variable in sorted(os.environ):
        prefix, name = variable[:4].upper(), variable[4:].lower()
        if prefix == "R2K_" and name not in fields:
            meant = get_close_matches(name, fields, n=1) or sorted(fields)
            said = ", ".join(f"R2K_{field.upper()}" for field in meant)
            raise SettingsError(f"{variable}: no such setting; next: unset it, or rename it to {said}")
