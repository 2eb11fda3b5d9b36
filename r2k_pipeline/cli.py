"""The command line `r2k`: parses arguments, calls the package, prints, sets the exit code.

Belongs here: options, output, exit codes (0 good, 1 something required failed, 2 wrong use). Not here: anything
computed. Each command imports only what it needs, so that `--help` and queries start fast.
"""

import errno
import gc
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from r2k_pipeline.claims.printable import printable
from r2k_pipeline.errors import R2kError, SettingsError

if TYPE_CHECKING:
    from r2k_pipeline.markets import Market
    from r2k_pipeline.settings import Settings
    from r2k_pipeline.snapshot import Snapshot


def _say(text: str, *, err: bool = False) -> None:
    """Print a text; what vendors and files brought into it is escaped, so that a terminal does not act on it."""
    click.echo("\n".join(map(printable, text.split("\n"))), err=err)


def _warn(text: str) -> None:
    """Print a line on standard error, with the name of the program."""
    _say(f"r2k: {text}", err=True)


def _show(value: Any, text: str, *, as_json: bool) -> None:
    """Print what a command found: `value` as JSON, or `text`."""
    _say(json.dumps(value, indent=2) if as_json else text)


class Explained(click.Group):
    """A group whose commands end with a message and exit code 1 for expected errors, 2 for wrong settings."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            _say("\n".join(f"r2k: {mistake}" for mistake in str(error).splitlines()), err=True)
            ctx.exit(2)
        except R2kError as error:
            _warn(str(error))
            ctx.exit(1)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader has seen enough: click ends in silence
            from r2k_pipeline.files import disk_error

            what, refused = (error.filename, "refused") if error.filename else ("standard output", "not written")
            _warn(str(disk_error(what, refused, error)))
            sys.stdout = None  # what it holds would fail again
            ctx.exit(1)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt this
            _warn("interrupted; the last published generation stays")
            sys.stdout.flush()
            os._exit(1)  # skips the interpreter's shutdown, where libraries warn about open resources


_lake_option = click.option(
    "--lake", type=click.Path(path_type=Path), help="Folder of all data; r2k doctor prints the default."
)
_source_option = click.option(
    "--source",
    type=click.Choice(["sample", "files", "live"]),
    help="Where data comes from; default: sample, or as R2K_SOURCE or r2k.toml says.",
)


def json_option(text: str = "As JSON.") -> Callable[[Any], Any]:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def lake_options(command: Any) -> Any:
    """Add `--source --files --lake --as-of`; each can also be set by R2K_* or in r2k.toml."""
    for option in (
        click.option("--as-of", help="Data as known at this moment, e.g. 2025-03-14T15:00-04:00, or at a day's close."),
        _lake_option,
        click.option("--files", type=click.Path(path_type=Path), help="Folder of downloaded files, of --source files."),
        _source_option,
    ):
        command = option(command)
    return command


def _in_upper_case(_context: click.Context, _option: click.Parameter, said: str | None) -> str | None:
    """A market's id as it is written, whichever case was typed."""
    return said and said.upper()


def market_option(text: str) -> Callable[[Any], Any]:
    """`--market`, in upper or lower case."""
    return click.option("--market", callback=_in_upper_case, help=text)


def market_and_moment(command: Any) -> Any:
    """Add the arguments MARKET and WHEN, and `--market` and `--as-of`, which say the same."""

    @wraps(command)
    def asked(market_id: str | None, when: str | None, market: str | None, as_of: str | None, **options: Any) -> None:
        if market_id and re.match(r"\d{4}-", market_id):  # `r2k note 2025-03-14`: all markets
            market_id, when = when and when.upper(), market_id
        for argument, option, said in (market_id, market, "market"), (when, as_of, "moment"):
            if argument and option:
                raise click.UsageError(f"a {said} is given twice: {argument} and {option}")
        command(market=market_id or market, as_of=when or as_of, moment="WHEN" if when else "--as-of", **options)

    for decorate in (
        market_option("The market, as MARKET."),
        lake_options,
        click.argument("when", required=False),
        click.argument("market_id", metavar="[MARKET]", required=False, callback=_in_upper_case),
    ):
        asked = decorate(asked)
    return asked


def settings_of(moment: str = "--as-of", **options: Any) -> "Settings":
    """Settings from the given options; `--files` implies `--source files`. `moment`: the option that sets `as_of`."""
    from r2k_pipeline.settings import option_of, read_settings

    given = {name: value for name, value in options.items() if value is not None}
    if "files" in given:
        given.setdefault("source", "files")
        given["files"] = given["files"].resolve()
    return read_settings(lambda name: moment if name == "as_of" else option_of(name), **given)


@click.group(cls=Explained, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="r2k-pipeline")
def main() -> None:
    """CFTC positions against the technicals of a market, as known at each moment.

    Begin with `r2k run` and `r2k note`: without options they work offline, on a synthetic sample.
    """


@main.command()
@lake_options
@json_option("The summary as JSON.")
def run(as_json: bool, **options: Any) -> None:
    """Fetch, build, check and publish everything."""
    settings = settings_of(**options)
    gc.freeze()  # what imports made is not scanned for garbage
    from r2k_pipeline.definitions import defs
    from r2k_pipeline.orchestration.execute import execute_refresh

    if not as_json:
        _show_progress()
    try:
        summary = execute_refresh(defs, settings)
    except R2kError as error:
        if not as_json:
            raise
        _say(json.dumps({"ok": False, "published": False, "failures": [str(error)]}, indent=2))
        sys.exit(1)
    _show(summary.as_dict(), summary.text(), as_json=as_json)
    sys.exit(0 if summary.ok else 1)


@main.command()
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
@lake_options
def ui(port: int, **options: Any) -> None:
    """Serve the Dagster UI on 127.0.0.1 for one source."""
    settings = settings_of(**options)
    from r2k_pipeline.orchestration.ui import serve_ui
    from r2k_pipeline.runs import Run
    from r2k_pipeline.settings import as_variables

    os.environ.update(as_variables(settings))  # the processes that run the steps do not get the command's arguments
    serve_ui(Run.of(settings), port)


def _show_progress() -> None:
    """Print progress on standard error."""
    import logging

    progress = logging.getLogger("r2k.progress")
    progress.setLevel(logging.INFO)
    progress.addHandler(logging.StreamHandler())


@main.command()
@lake_options
@json_option()
def status(as_json: bool, **options: Any) -> None:
    """Show what is published, due, late or held.

    Exit code 1 if an item failed, is late or waits for `r2k accept`.
    """
    from r2k_pipeline.report.status import read_status

    found = read_status(settings_of(**options))
    _show(found.as_dict(), found.text(), as_json=as_json)
    sys.exit(0 if found.ok else 1)


@main.command()
@_source_option
@_lake_option
@click.argument("item")
def accept(item: str, **options: Any) -> None:
    """Accept what `r2k status` lists as held.

    ITEM is a symbol or a report file (its held rows are accepted), `restatement` (changed rows may be published), or
    `raw` (runs go on without raw files that are gone or damaged).
    """
    from r2k_pipeline.lake import Lake
    from r2k_pipeline.log.acceptance import accept as accept_item
    from r2k_pipeline.runs import Run

    settings = settings_of(**options)
    run = Run(settings, Lake.of(settings.lake, settings.source), markets=())
    _say(accept_item(run, item))


@main.command()
@lake_options
@click.option(
    "--format", "output", type=click.Choice(["table", "csv", "json", "parquet"]), default="table", show_default=True
)
@click.option("--output", "file", type=click.Path(path_type=Path), help="Write to this file; needed for parquet.")
@click.option("--seconds", "query_seconds", type=float, help="Stop the query after this many seconds; default: 60.")
@click.argument("query")
def sql(query: str, output: Any, file: Path | None, **options: Any) -> None:
    """Run one SELECT on the warehouse.

    QUERY is SQL, e.g. "select market, close from latest()"; - reads it from standard input.
    """
    from r2k_pipeline.folders import Folders
    from r2k_pipeline.report.query import QueryProcess, check_destination, save_answer, setup_of

    with QueryProcess() as process:
        settings = settings_of(**options)
        if file:
            check_destination(file, settings.lake)
        elif output == "parquet":
            raise click.UsageError("--format parquet needs --output FILE")
        text = sys.stdin.read() if query == "-" else query
        if settings.as_of:
            from r2k_pipeline.report.past_query import past_setup

            setup = past_setup(settings, text, _warn)
        else:
            newest = Folders.of(settings.lake, settings.source).warehouse
            setup = setup_of(newest, settings.memory_limit, settings.query_seconds)
        answer = process.answer(text, output, setup)
        if answer.is_sample:
            _say(answer.label, err=True)
        if file:
            save_answer(answer, file)
        else:
            shutil.copyfileobj(answer.body, sys.stdout.buffer)


@main.command()
@click.option("--evidence", is_flag=True, help="Print under each figure the query that returns it.")
@json_option("As JSON, each figure with its table, key, column and query.")
@market_and_moment
def brief(market: str | None, evidence: bool, as_json: bool, **options: Any) -> None:
    """Print a brief of each market as Markdown.

    MARKET is an id; default: all. WHEN is a day, for its close, or a moment; default: now.
    """
    from r2k_pipeline.report.brief import read_brief
    from r2k_pipeline.snapshot import reading_of

    settings = settings_of(**options)
    with reading_of(settings) as snapshot:
        found = read_brief(snapshot, market)
        _tell_age(snapshot, settings)
    _show(found.as_dict(), found.text(evidence=evidence), as_json=as_json)


@main.command()
@click.option("--since", help="Also what changed since this moment or a day's close.")
@click.option("--evidence", is_flag=True, help="Under each section the query of each figure.")
@click.option("--json", "output", flag_value="json", help="As JSON, each figure with its query.")
@click.option("--html", "output", flag_value="html", help="As a page of its own, with the chart.")
@market_and_moment
def note(market: str | None, since: str | None, evidence: bool, output: Any, **options: Any) -> None:
    """Print what a market's close is about, in 250 words.

    MARKET is an id; default: all. WHEN is a day, for its close, or a moment; default: now. For example: r2k note RUT
    2025-03-14
    """
    from r2k_pipeline.report.note.compose import read_notes
    from r2k_pipeline.report.note.since import changes_since
    from r2k_pipeline.snapshot import reading_of

    if since and output == "html":
        raise click.UsageError("--since is not part of the page: leave out --html, or --since")
    settings = settings_of(**options)
    with reading_of(settings) as snapshot:
        notes = read_notes(snapshot, [market] if market else None)
        _tell_age(snapshot, settings)
        if output == "html":
            from r2k_pipeline.report.note.page import write_page

            click.echo(write_page(snapshot, list(notes.values())))
            return
    changed = changes_since(settings_of(**options | {"as_of": since, "moment": "--since"}), notes) if since else []
    shown: dict[str, Any] = {"notes": [found.as_dict() for found in notes.values()]}
    if since:
        shown["since"] = [one.as_dict() for one in changed]
    texts = (*(found.text(evidence=evidence) for found in notes.values()), *(one.text() for one in changed))
    _show(shown, "\n\n".join(texts), as_json=output == "json")


def _tell_age(snapshot: "Snapshot", settings: "Settings") -> None:
    """Say on stderr that the data is old where sessions have closed since it was fetched."""
    from r2k_pipeline.generations import lake_as_of
    from r2k_pipeline.report.status import say_unpublished

    asked = settings.as_of or datetime.now(UTC)
    lake = lake_as_of(settings.lake, settings.source, settings.as_of)
    for line in say_unpublished(snapshot.connection, lake, snapshot.moment, asked):
        _warn(line)


@main.command()
@lake_options
@market_option("One market, e.g. RUT: its site is written beside the full one.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@json_option("Print folder, size and pages of the site as JSON.")
def report(market: str | None, show: bool, as_json: bool, **options: Any) -> None:
    """Write the site, a folder of HTML pages.

    It shows figures, briefs, levels and positions of all markets, claims, outcomes, data quality and the dictionary.
    """
    from r2k_pipeline.report.site.publish import publish_site

    if not as_json:
        _show_progress()
    site = publish_site(settings_of(**options), market)
    _show(site.as_dict(), site.text(), as_json=as_json)
    if show:
        click.launch(site.index.as_uri())


@main.command("check-note")
@lake_options
@click.option("--json", "output", flag_value="json", help="As JSON, with the rows behind each verdict.")
@click.option("--html", "output", flag_value="html", help="As a page of its own, with a chart of each statement.")
@click.option("--new", is_flag=True, help="Write FILE, a note to fill in, and check nothing.")
@click.argument("file", type=click.Path(path_type=Path))
def check_note(file: Path, output: Any, new: bool, **options: Any) -> None:
    """Check the claims of a note against the data.

    FILE is TOML, one line a statement (see docs/claims.md). The verdict on each reading of a statement is: holds, fails
    or undetermined.
    """
    from r2k_pipeline.report.check_note import check_note as check
    from r2k_pipeline.report.check_note import write_template
    from r2k_pipeline.snapshot import reading_of

    if new:
        _say(write_template(file))
        return
    settings = settings_of(**options)
    with reading_of(settings) as snapshot:
        found = check(file, snapshot)
        if output == "html":
            from r2k_pipeline.report.check_page import write_check

            click.echo(write_check(snapshot, found))
    if output != "html":
        _show(found.as_dict(), found.text(), as_json=output == "json")
    sys.exit(1 if found.errors else 0)


@main.command()
@lake_options
@click.option("--to", "url", required=True, help="postgresql://USER@HOST:PORT/DATABASE; the rest from PG* variables.")
@click.option("--schema", default="r2k", show_default=True, help="Target schema; r2k owns it and may replace it.")
@click.option("--reader", default="r2k_reader", show_default=True, help="Role that may read; created if missing.")
@click.option("--force", is_flag=True, help="Publish even if the target is the same or newer, or of another source.")
@json_option("Print what was done as JSON.")
def publish(url: str, schema: str, reader: str, force: bool, as_json: bool, **options: Any) -> None:
    """Publish marts and meta to PostgreSQL in one transaction."""
    from r2k_pipeline.postgresql.address import Address
    from r2k_pipeline.postgresql.publication import publish_to_postgresql
    from r2k_pipeline.snapshot import reading_of

    settings = settings_of(**options)
    with reading_of(settings) as snapshot:
        done = publish_to_postgresql(snapshot, Address.parse(url), schema=schema, reader=reader, force=force)
    _show(done.as_dict(), done.text(), as_json=as_json)


@main.command()
@lake_options
@click.option("--online", is_flag=True, help="Also compare the newest report with the CFTC's public API.")
@json_option()
def doctor(as_json: bool, online: bool, **options: Any) -> None:
    """Look for faults and name the command that fixes each.

    Examined are settings, lock, files, warehouse, fetches and rows in doubt.
    """
    from r2k_pipeline.report.doctor import examine

    findings = examine(settings_of(**options), lake_option=options["lake"], online=online)
    _show([finding.as_dict() for finding in findings], "\n".join(map(str, findings)), as_json=as_json)
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@main.command("files")
@json_option()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def list_files(folder: Path, as_json: bool) -> None:
    """Check a folder of downloaded files before a run.

    It tells what each file is taken for, and what is wrong with it. DIR has prices/ and cot/, as for `r2k run --files
    DIR`; nothing is recorded. Exit code 1 if a file cannot be read.
    """
    from r2k_pipeline.report.file_list import as_text
    from r2k_pipeline.report.file_list import list_files as read

    found = read(folder, settings_of(), datetime.now(UTC))
    _show([each.as_dict() for each in found], as_text(found), as_json=as_json)
    sys.exit(1 if any(each.problem for each in found) else 0)


@main.group(invoke_without_command=True)
@json_option()
@click.pass_context
def markets(ctx: click.Context, as_json: bool) -> None:
    """List, find or add markets.

    Alone it lists the configured ones. `find` searches the catalogue of all markets of the CFTC's reports, `add` adds
    some to the settings.
    """
    if ctx.invoked_subcommand is None:
        from r2k_pipeline.markets import read_markets

        more = "any other: r2k markets find gold, r2k markets add GC"
        _list_markets(read_markets(settings_of().markets), as_json, more)


@markets.command("find")
@json_option()
@click.argument("text", nargs=-1, required=True)
def find_markets(text: tuple[str, ...], as_json: bool) -> None:
    """Search the catalogue by id, name, class or contract code."""
    from r2k_pipeline.report.market_list import find

    found = find(" ".join(text), settings_of())
    _list_markets(found, as_json, f"next: r2k markets add {found[0].market}")


@markets.command("add")
@click.argument("names", nargs=-1, required=True)
def add_markets(names: tuple[str, ...]) -> None:
    """Add markets to r2k.toml of the current folder: ids, classes (@metal), @all, or files of your own."""
    from r2k_pipeline.report.market_list import add

    _say(add(names, settings_of()))


def _list_markets(found: "Sequence[Market]", as_json: bool, note: str) -> None:
    from r2k_pipeline.report.market_list import as_rows, as_text

    _show(as_rows(found), as_text(found, note), as_json=as_json)
