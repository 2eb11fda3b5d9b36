"""`r2k run` on a folder of real files against a Dagster job of as many empty assets, as whole processes, in turn.

Belongs here: wall and CPU time, peak memory, a second run that brings nothing new, a first run without Dagster. Not
here: what takes the time.
`python benchmarks/run.py [FILES [ROUNDS]]`, by default ../shared/real and 3; one warm-up round is not counted.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
REAL = PROJECT.parent / "shared" / "real"
R2K = str(Path(sys.executable).with_name("r2k"))


@dataclass(frozen=True)
class Cost:
    """One process from start to end: wall and CPU (user + system) seconds, peak resident memory in MiB."""

    wall: float
    cpu: float
    peak: float


def measure(command: list[str], home: Path, scratch: Path) -> Cost:
    """Run `command` with its own Dagster storage in `home`; a failure ends the benchmark with its output."""
    home.mkdir(exist_ok=True)
    # Byte code is kept for both sides, as after an installation, whatever this shell says about it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"DAGSTER_HOME": str(home), "PYTHONPYCACHEPREFIX": str(scratch / "byte_code")}
    with (scratch / "output").open("w+b") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=scratch)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{output.read().decode()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def pipeline_shape() -> list[dict[str, Any]]:
    """The steps of the real job: the assets each makes, what they depend on, and how many checks each has."""
    from r2k_pipeline.definitions import defs  # noqa: PLC0415  (only the parent may pay for it)

    refreshed = defs.resolve_job_def("refresh").asset_layer.executable_asset_keys

    return [
        {
            "assets": {
                key.to_user_string(): len([c for c in step.check_keys if c.asset_key == key]) for key in step.keys
            },
            "upstreams": sorted({up.to_user_string() for key in step.keys for up in step.asset_deps[key]}),
        }
        for step in defs.resolve_asset_graph().assets_defs
        if step.is_executable and step.keys <= refreshed
    ]


def run_empty(shape: list[dict[str, Any]]) -> None:
    """Materialize assets of `shape` that do nothing, in the way of orchestration/execute.py, without a console log."""
    import dagster as dg  # noqa: PLC0415

    def key(name: str) -> dg.AssetKey:
        return dg.AssetKey.from_user_string(name)

    def step(number: int, assets: dict[str, int], upstreams: list[str]) -> dg.AssetsDefinition:
        checks = {name: [f"check_{n}" for n in range(count)] for name, count in assets.items()}

        @dg.multi_asset(
            name=f"step_{number}",
            specs=[dg.AssetSpec(key(name), deps=[key(upstream) for upstream in upstreams]) for name in assets],
            check_specs=[dg.AssetCheckSpec(c, asset=key(name), blocking=True) for name in assets for c in checks[name]],
        )
        def nothing() -> Any:
            for name in assets:
                results = [dg.AssetCheckResult(passed=True, asset_key=key(name), check_name=c) for c in checks[name]]
                yield dg.MaterializeResult(key(name), check_results=results)

        return nothing

    job = dg.define_asset_job("empty", selection=dg.AssetSelection.all(), executor_def=dg.in_process_executor)
    defs = dg.Definitions(assets=[step(number, **part) for number, part in enumerate(shape)], jobs=[job])
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance:
        result = defs.resolve_job_def("empty").execute_in_process(instance=instance, run_config=quiet)
    assert len(result.get_asset_materialization_events()) == sum(len(part["assets"]) for part in shape)


def run_without_dagster(files: Path, lake: Path) -> None:
    """What a first run fetches, builds and publishes, with nothing of Dagster."""
    from r2k_pipeline.__main__ import collect_less_garbage, use_one_polars_thread  # noqa: PLC0415

    use_one_polars_thread()
    collect_less_garbage()
    from r2k_pipeline.build import build_tables  # noqa: PLC0415
    from r2k_pipeline.log.ingest import ingest_prices, ingest_reports  # noqa: PLC0415
    from r2k_pipeline.publication import publish  # noqa: PLC0415
    from r2k_pipeline.report.note.kept import new_notes  # noqa: PLC0415
    from r2k_pipeline.runs import Run  # noqa: PLC0415
    from r2k_pipeline.settings import read_settings  # noqa: PLC0415
    from r2k_pipeline.tables.reference import MarketSymbols, Sessions  # noqa: PLC0415

    run, first = Run.of(read_settings(source="files", files=files, lake=lake)), (MarketSymbols, Sessions)
    outcomes = [*build_tables(run, first)]
    ingest_prices(run, run.lake.read(Sessions))
    ingest_reports(run)
    outcomes += build_tables(run, given=first)
    assert all(outcome.state == "built" for outcome in outcomes)
    assert publish(run, new_notes).is_new
    sys.stdout.flush()
    os._exit(0)  # as `r2k` ends


def one_round(files: Path, scratch: Path, number: int) -> dict[str, Cost]:
    """The empty job, a first run into a fresh lake, a second run that finds nothing new, one without Dagster."""
    run = [R2K, "run", "--files", str(files), "--lake", str(scratch / f"lake_{number}")]
    empty = [sys.executable, __file__, "--empty", str(scratch / "shape.json")]
    bare = [sys.executable, __file__, "--without-dagster", str(files), str(scratch / f"bare_{number}")]
    return {
        "empty job": measure(empty, scratch / "home_empty", scratch),
        "first run": measure(run, scratch / "home_r2k", scratch),
        "second run": measure(run, scratch / "home_r2k", scratch),
        "without Dagster": measure(bare, scratch / "home_r2k", scratch),
    }


def table(rounds: list[dict[str, Cost]]) -> str:
    """Medians, and the median of the ratios round by round: that is what a busy machine does least to."""
    lines = ["| process | wall s | CPU s | peak MiB | wall / empty | CPU / empty |", "|---|---|---|---|---|---|"]
    for name in rounds[0]:
        wall, cpu, peak = (
            statistics.median(getattr(r[name], unit) for r in rounds) for unit in ("wall", "cpu", "peak")
        )
        walls, cpus = (
            statistics.median(getattr(r[name], unit) / getattr(r["empty job"], unit) for r in rounds)
            for unit in ("wall", "cpu")
        )
        lines.append(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {walls:.2f} | {cpus:.2f} |")
    wall, cpu = (
        statistics.median(getattr(r["second run"], unit) / getattr(r["first run"], unit) for r in rounds)
        for unit in ("wall", "cpu")
    )
    said = f"second run / first run: {wall:.2f} wall, {cpu:.2f} CPU (medians of {len(rounds)} pairs)"
    return "\n".join([*lines, "", said])


def main(files: str = str(REAL), rounds: str = "3") -> None:
    """Measure and print; says so and stops where there are no files to run on."""
    folder = Path(files).resolve()
    if not folder.is_dir():
        sys.exit(f"no folder {folder}: give one in the layout of `r2k run --source files`")
    shape = pipeline_shape()
    print(
        f"{sum(len(s['assets']) for s in shape)} assets, {sum(sum(s['assets'].values()) for s in shape)} checks,"
        f" {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "shape.json").write_text(json.dumps(shape))
        (scratch / "home_empty").mkdir()  # Dagster's own settings, as a user of Dagster has them, but no telemetry
        (scratch / "home_empty" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        measured = [one_round(folder, scratch, number) for number in range(int(rounds) + 1)]
    print(table(measured[1:]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--empty"]:
        run_empty(json.loads(Path(sys.argv[2]).read_text()))
    elif sys.argv[1:2] == ["--without-dagster"]:
        run_without_dagster(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(*sys.argv[1:])
