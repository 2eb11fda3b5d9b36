"""Settings: R2K_* over r2k.toml over defaults, and no value that is misunderstood in silence."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

import r2k_pipeline.api
from r2k_pipeline.errors import SettingsError
from r2k_pipeline.settings import Settings, read_settings, why_this_lake
from tests.documents import PROJECT


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without r2k.toml and an environment without R2K_*."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"R2K_{name.upper()}", raising=False)
    return tmp_path


def test_without_anything_said_it_is_the_sample_in_the_checkout() -> None:  # installed: pipeline/test_wheel.py
    settings = Settings()
    assert why_this_lake(settings, None).startswith("in the checkout")
    assert settings.source == "sample"
    assert settings.lake == PROJECT / "data_lake"
    assert settings.as_of is None


def test_what_decided_where_the_lake_is_can_be_told(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "r2k.toml").write_text('lake = "from_file"\n')
    assert why_this_lake(read_settings(), None) == "as r2k.toml: lake says"
    monkeypatch.setenv("R2K_LAKE", "from_variable")
    assert why_this_lake(read_settings(), None) == "as R2K_LAKE says"
    option = Path("from_option")
    assert why_this_lake(read_settings(lake=option), option) == "as --lake says"


def test_arguments_win_over_environment_and_environment_over_file(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "r2k.toml").write_text('source = "files"\nfirst_year = 2011\nmemory_limit = "2GB"\n')
    monkeypatch.setenv("R2K_FIRST_YEAR", "2012")
    monkeypatch.setenv("R2K_MEMORY_LIMIT", "512 MiB")
    settings = Settings(memory_limit="3GB")
    assert (settings.source, settings.first_year, settings.memory_limit) == ("files", 2012, "3GB")


def test_every_setting_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "SOURCE": "live",
        "FILES": "/data/in",
        "LAKE": "/data/lake",
        "MARKETS": "/data/own.toml",
        "AS_OF": "2025-03-14T16:00:00-04:00",
        "REPORT_TYPES": '["tff_combined"]',
        "FIRST_YEAR": "2010",
        "MEMORY_LIMIT": "4GB",
        "LOCK_WAIT_SECONDS": "2.5",
        "QUERY_SECONDS": "1.5",
    }
    for name, value in said.items():
        monkeypatch.setenv(f"R2K_{name}", value)
    settings = Settings()
    assert settings.model_dump(include={name.lower() for name in said}) == {
        "source": "live",
        "files": Path("/data/in"),
        "lake": Path("/data/lake"),
        "markets": ("/data/own.toml",),
        "as_of": datetime(2025, 3, 14, 20, tzinfo=UTC),
        "report_types": ("tff_combined",),
        "first_year": 2010,
        "memory_limit": "4GB",
        "lock_wait_seconds": 2.5,
        "query_seconds": 1.5,
    }


def test_paths_are_absolute_so_that_another_process_means_the_same(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("R2K_LAKE", "my/lake")
    settings = Settings(files=Path("in"), markets=Path("~/own.toml"))
    assert settings.lake == elsewhere / "my" / "lake"
    assert settings.files == elsewhere / "in"
    assert settings.markets == (str(Path.home() / "own.toml"),)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("as_of", "2025-03-14T16:00", "write it with its zone, e.g. 2025-03-14T15:00-04:00, or as a day, e.g. "),
        ("as_of", "yesterday", "write it with its zone"),
        ("as_of", "2025-03-15", "the exchange is closed on 2025-03-15; next: give 2025-03-14, the session before it"),
        ("as_of", "2999-01-01", "still to come; next: leave it out"),
        ("as_of", "2999-01-01T00:00Z", "2999-01-01 00:00 UTC is still to come; next: leave it out"),
        ("as_of", "0001-01-01", "is before 1927-01-03"),
        ("source", "bloomberg", "is not one of 'sample', 'files' or 'live'"),
        (
            "report_types",
            '["supplemental"]',
            "supplemental is not one of tff_futures, tff_combined, ",
        ),
        ("first_year", "1985", "greater than or equal to 1986"),
        ("memory_limit", "lots", "give a number and its unit, e.g. 1GB"),
        ("lock_wait_seconds", "-1", "greater than or equal to 0"),
        ("profile_since", '["2024-07-09","2023-12-13","2024-07-09"]', "2024-07-09 listed more than once"),
    ],
)
def test_a_wrong_value_names_its_setting_and_what_is_allowed(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"R2K_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"R2K_{name.upper()}")
    assert said in line
    assert not re.search(r"Value error|Input should|\{|None", line)


def test_a_wrong_value_is_named_by_where_it_was_said(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "r2k.toml").write_text("first_year = 1985\nprofile_since = 7\n")
    with pytest.raises(SettingsError) as caught:
        read_settings(source="bloomberg")
    assert str(caught.value).splitlines() == [
        "--source = 'bloomberg': is not one of 'sample', 'files' or 'live'",
        "r2k.toml: first_year = 1985: should be greater than or equal to 1986",
        "r2k.toml: profile_since = 7: should be a valid tuple",
    ]
    monkeypatch.setenv("R2K_FIRST_YEAR", "1066")
    with pytest.raises(SettingsError, match="R2K_FIRST_YEAR = '1066': should be greater"):
        read_settings()


def test_python_names_its_own_arguments() -> None:
    with pytest.raises(SettingsError, match=r"^as_of = '2025-03-15': the exchange is closed on 2025-03-15; next: "):
        r2k_pipeline.open("sample", as_of="2025-03-15")
    with pytest.raises(SettingsError, match=r"^source = 'bloomberg': is not one of"):
        r2k_pipeline.api.run("bloomberg")


@pytest.mark.parametrize(
    ("key", "said"), [("sorce", "rename it to source$"), ("x", "rename it to as_of, cftc_token, corrections, files, ")]
)
def test_an_unknown_key_in_the_file_is_answered_as_a_variable_is(elsewhere: Path, key: str, said: str) -> None:
    (elsewhere / "r2k.toml").write_text(f"{key} = 'files'\n")
    with pytest.raises(SettingsError, match=rf"^r2k\.toml: {key}: no such setting; next: remove it, or {said}"):
        Settings()


def test_a_file_that_cannot_be_read_is_named(elsewhere: Path) -> None:
    (elsewhere / "r2k.toml").mkdir()
    with pytest.raises(SettingsError, match=r"^r2k\.toml: cannot be read: Is a directory; next: make it a readable"):
        read_settings()


@pytest.mark.parametrize(
    ("day", "close"),
    [("2025-03-14", "2025-03-14T20:00"), ("2025-01-10", "2025-01-10T21:00"), ("2024-11-29", "2024-11-29T18:00")],
)
def test_a_day_means_its_close(elsewhere: Path, day: str, close: str) -> None:
    moment = datetime.fromisoformat(close).replace(tzinfo=UTC)
    assert Settings(as_of=day).as_of == moment  # type: ignore[arg-type]
    (elsewhere / "r2k.toml").write_text(f"as_of = {day}\n")
    assert Settings().as_of == moment


def test_a_list_in_a_variable_may_have_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R2K_REPORT_TYPES", "tff_combined, legacy_futures")
    monkeypatch.setenv("R2K_PROFILE_SINCE", "2024-07-09")
    assert Settings().report_types == ("tff_combined", "legacy_futures")
    assert Settings().profile_since == (date(2024, 7, 9),)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("R2K_SORCE", "rename it to R2K_SOURCE$"),
        ("r2k_memory_limt", "rename it to R2K_MEMORY_LIMIT$"),
        ("R2K_X", "rename it to R2K_AS_OF, R2K_CFTC_TOKEN, R2K_CORRECTIONS, R2K_FILES, "),
        ("R2K_", "rename it to R2K_AS_OF, "),
    ],
)
def test_a_variable_that_is_no_setting_is_a_mistake(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "live")
    with pytest.raises(SettingsError, match=f"^{name}: no such setting; next: unset it, or {said}"):
        Settings()
    monkeypatch.delenv(name)
    monkeypatch.setenv("r2k_source", "live")
    assert Settings().source == "live"


def test_a_file_that_is_not_toml_is_named(elsewhere: Path) -> None:
    (elsewhere / "r2k.toml").write_text("source files\n")
    with pytest.raises(SettingsError, match=r"r2k\.toml: not TOML: .*line 1.*next:"):
        Settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().source = "live"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    default = Settings()
    for name in ("R2K_LAKE", "R2K_FILES", "R2K_MARKETS", "R2K_AS_OF"):
        monkeypatch.setenv(name, "")
    assert Settings() == default
