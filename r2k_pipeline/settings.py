"""The one reader of environment and config file: every setting of r2k, typed and frozen.

Belongs here: R2K_* variables and r2k.toml. Not here: anything read elsewhere from the environment,
market identity (catalogue.toml), run-time state.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from r2k_pipeline.errors import SettingsError
from r2k_pipeline.files import refuse_special
from r2k_pipeline.folders import usual_folder
from r2k_pipeline.mistakes import nearest, say_mistakes
from r2k_pipeline.moments import read_moment
from r2k_pipeline.report_types import REPORT_TYPES, USUAL_REPORTS
from r2k_pipeline.shipped import CHECKOUT

FILE: Final = "r2k.toml"
SourceName = Literal["sample", "files", "live"]


def _is_report_type(name: str) -> str:
    if name not in REPORT_TYPES:
        raise ValueError(f"{name} is not one of {', '.join(REPORT_TYPES)}")
    return name


def _is_size(size: str) -> str:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?\s*[KMGT]i?B", size):
        raise ValueError("give a number and its unit, e.g. 1GB or 512 MiB")
    return size


def _listed(value: object) -> object:
    """A list in a variable: as JSON, or with commas."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [part.strip() for part in value.split(",")]


def _listed_or_file(value: object) -> object:
    """A list of markets; a path alone is a file of a user's own."""
    return [str(value)] if isinstance(value, Path) else _listed(value)


ReportType = Annotated[str, AfterValidator(_is_report_type)]
MemoryLimit = Annotated[str, AfterValidator(_is_size)]
Listed = BeforeValidator(_listed)
Moment = Annotated[datetime, BeforeValidator(read_moment)]


class Settings(BaseModel):
    """All settings: `R2K_NAME`, or `name = ...` in r2k.toml; arguments override both, variables the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    source: SourceName = "sample"
    files: Path | None = Field(None, description="folder of downloaded files, for source `files`")
    lake: Path = Field(default_factory=usual_folder, description="where all data goes; one folder a source below it")
    markets: Annotated[tuple[str, ...], BeforeValidator(_listed_or_file)] = Field(
        ("RUT", "SPX", "NDX", "DJI"), description="ids, classes (@equity), @all, and files of markets of your own"
    )
    as_of: Moment | None = Field(None, description="rebuild as known at this moment; default: now")
    report_types: Annotated[tuple[ReportType, ...], Listed] = Field(
        USUAL_REPORTS, description="COT reports that `live` fetches, beside each market's own"
    )
    first_year: int = Field(2006, ge=1986, description="first year of COT reports that `live` fetches")
    cftc_token: str | None = Field(
        None, repr=False, description="app token of publicreporting.cftc.gov, which throttles less with one"
    )
    profile_since: Annotated[tuple[date, ...], Listed] = Field(
        (), description="days since which volume profiles and anchored VWAPs are kept as well"
    )
    memory_limit: MemoryLimit = Field(
        "1GB", description="DuckDB's memory limit for a SQL model or six markets of it, or a query"
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

    @model_validator(mode="before")
    @classmethod
    def _add_what_is_written(cls, given: dict[str, Any]) -> dict[str, Any]:
        """The settings `given`, which override the variables, which override the file."""
        variables = {name: os.environ[variable] for variable, name in _variables().items() if os.environ[variable]}
        return _file() | variables | given

    @field_validator("profile_since")
    @classmethod
    def _names_a_day_once(cls, days: tuple[date, ...]) -> tuple[date, ...]:
        """Refuse repeated days: each names a profile window, whose rows would come out twice."""
        if twice := sorted({day for day in days if days.count(day) > 1}):
            raise ValueError(f"{', '.join(map(str, twice))} listed more than once; next: leave the repeat out")
        return days

    @field_validator("markets")
    @classmethod
    def _names_files_that_stay(cls, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Absolute paths of files, so that a process started elsewhere means the same; names in upper case."""
        if not wanted:
            raise ValueError("names no market; next: leave it out, or name one, e.g. RUT")
        return tuple(
            str(Path(each).expanduser().absolute()) if each.lower().endswith(".toml") else each.upper()
            for each in wanted
        )

    @field_validator("files", "lake", "corrections")
    @classmethod
    def _stays_where_it_was_said(cls, path: Path | None) -> Path | None:
        """Absolute, so that a process started elsewhere (Dagster's) means the same folder."""
        return path and path.expanduser().absolute()

    @field_validator("lake")
    @classmethod
    def _is_one_that_duckdb_writes_to(cls, lake: Path) -> Path:
        """Refuse paths in which DuckDB ends a name at `?` or splits it at `\\`: it would write elsewhere."""
        if unfit := {*str(lake)} & {"?", "\\"}:
            raise ValueError(f"DuckDB writes to no path with {' '.join(sorted(unfit))} in it; next: another folder")
        return lake


def option_of(name: str) -> str:
    """The option of the command line that gives a setting."""
    return "--seconds" if name == "query_seconds" else f"--{name.replace('_', '-')}"


def as_variables(settings: Settings) -> dict[str, str]:
    """The R2K_* variables that give these settings to another process."""
    values = settings.model_dump(mode="json", exclude_none=True)
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return {f"R2K_{name.upper()}": text for name, text in texts.items()}


def read_settings(written: Callable[[str], str] = option_of, /, **given: Any) -> Settings:
    """Settings with what was `given`; `written` spells a setting's name as the caller does.

    Raises SettingsError: a line for each value that is not allowed, with the option, variable or file that has it.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(_said(error, {name: written(name) for name in given}))) from error


def why_this_lake(settings: Settings, option: Path | None) -> str:
    """The reason for the place of the lake; `option`: the value of --lake, if given."""
    if "lake" in settings.model_fields_set:
        return f"as {_written('lake', {} if option is None else {'lake': option_of('lake')})} says"
    if CHECKOUT:
        return "in the checkout that r2k runs from, as nothing else was said"
    return "in the user's data folder, as r2k is installed and nothing else was said"


def _said(error: ValidationError, given: Mapping[str, str]) -> Iterator[str]:
    for mistake in say_mistakes(error, Settings):
        name = re.split(r"[.: ]", mistake, maxsplit=1)[0]
        rest = mistake.removeprefix(name)
        yield _written(name, given) + rest


def _written(name: str, given: Mapping[str, str]) -> str:
    """The origin of a setting's value: the argument, the variable or the key of the file."""
    if name in given:
        return given[name]
    variables = {setting: variable for variable, setting in _variables().items() if os.environ[variable]}
    return variables.get(name, f"{FILE}: {name}")


def _variables() -> dict[str, str]:
    """Every variable R2K_* and the name of its setting. Raises SettingsError for one that is of no setting."""
    variables = {variable: variable[4:].lower() for variable in sorted(os.environ) if variable[:4].upper() == "R2K_"}
    for variable, name in variables.items():
        _refuse_unknown(name, variable, "unset it", str.upper, "R2K_")
    return variables


def _file() -> dict[str, Any]:
    """The settings in r2k.toml of the current folder, none without it. Raises SettingsError for unknown keys."""
    try:
        refuse_special(Path(FILE))
        text = Path(FILE).read_text("utf-8")
        import tomllib  # noqa: PLC0415

        written = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SettingsError(f"{FILE}: not TOML: {error}; next: fix it or remove it") from error
    except OSError as error:
        raise SettingsError(f"{FILE}: cannot be read: {error.strerror}; next: make it a readable file") from error
    for name in written:
        _refuse_unknown(name, f"{FILE}: {name}", "remove it")
    return written


def _refuse_unknown(name: str, written: str, away: str, spelled: Callable[[str], str] = str, prefix: str = "") -> None:
    """Raise SettingsError for an unknown R2K_* variable or key, which would otherwise be ignored."""
    if name not in Settings.model_fields:
        meant = ", ".join(prefix + spelled(field) for field in nearest(name, Settings.model_fields))
        raise SettingsError(f"{written}: no such setting; next: {away}, or rename it to {meant}")
