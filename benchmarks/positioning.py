"""What positioning, setups and outcomes cost: their share of a whole run, and many markets against four.

Belongs here: seconds of those steps, as Dagster recorded them, and CPU of whole runs; every run is a first one. Not
here: whole runs against peers (run.py).
`python benchmarks/positioning.py [FILES [ROUNDS]]`, by default ../shared/real and 3; in turn, one warm-up not counted.
"""

import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from run import PROJECT, R2K, REAL, measure

STEPS = (
    *("staging__cot_releases", "staging__cot_position_vintages", "staging__cot_positions", "staging__market_positions"),
    *("marts__positioning_vintages", "marts__weekly_positioning", "marts__positioning_vs_technicals"),
    *("marts__cross_market", "marts__setup_outcomes"),
)
"""Everything between the raw reports and the outcomes; the join with technicals holds states and setups."""
FUNDS = ("IWM", "SPY", "QQQ", "DIA")
"""Prices at hand: the generated markets take them in turn, the reports are their own. They began in 1993 to 2000, as
the prices of most other futures that vendors have; of the indices' own a century would be there 16 times."""


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds of a process, and wall seconds of each of its steps."""

    wall: float
    cpu: float
    steps: dict[str, float]

    @property
    def positioning(self) -> float:
        """Seconds of STEPS."""
        return sum(self.steps[step] for step in STEPS)


def write_markets(file: Path, lake: Path) -> int:
    """A markets file of every contract of the TFF reports in `lake` that is not shipped already; how many."""
    import polars as pl  # noqa: PLC0415

    from r2k_pipeline.markets import read_markets  # noqa: PLC0415

    shipped = {contract.code for market in read_markets() for contract in market.cot}
    reports = pl.scan_parquet(lake / "files/raw/cot_reports/*.parquet")
    listed = reports.filter(pl.col("report_type") == "tff_futures").group_by("contract_code").len()
    codes = listed.filter(pl.col("len") >= 26).select("contract_code").collect().to_series().sort().to_list()
    others = [code for code in codes if code not in shipped and not code.endswith("+")]
    blocks = []
    for number, code in enumerate(others):
        fund = FUNDS[number % len(FUNDS)]
        blocks.append(
            f'[C{code}]\nname = "contract {code}"\nindex = "{fund}"\ncalendar = "XNYS"\n'
            f'multiplier = 50\ncot = [{{ code = "{code}", exchange = "CME" }}]\n'
        )
    file.write_text("\n".join(blocks), "utf-8")
    return len(others)


def run(files: Path, scratch: Path, name: str, markets: Path | None = None) -> Cost:
    """One first `r2k run` in the lake `name`; a failure ends the benchmark with its output."""
    home, lake = scratch / f"home_{name}", scratch / name
    shutil.rmtree(lake, ignore_errors=True)
    chosen = [f"R2K_MARKETS={markets}"] if markets else []
    whole = measure(["env", *chosen, R2K, "run", "--files", str(files), "--lake", str(lake)], home, scratch)
    return Cost(whole.wall, whole.cpu, step_seconds(home / "files"))


def step_seconds(home: Path) -> dict[str, float]:
    """Seconds of each step of the newest run that Dagster recorded in `home`."""
    import dagster as dg  # noqa: PLC0415

    with dg.DagsterInstance.from_config(str(home)) as instance:
        (newest,) = instance.get_runs(limit=1)
        return {
            stats.step_key: stats.end_time - stats.start_time for stats in instance.get_run_step_stats(newest.run_id)
        }


def main(files: str = str(REAL), rounds: str = "3") -> None:
    """Measure and print; says so and stops where there are no files to run on."""
    folder = Path(files).resolve()
    if not folder.is_dir():
        sys.exit(f"no folder {folder}: give one in the layout of `r2k run --source files`")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        run(folder, scratch, "four")
        markets = scratch / "markets.toml"
        count = 4 + write_markets(markets, scratch / "four")
        run(folder, scratch, "many", markets)
        pairs = [(run(folder, scratch, "four"), run(folder, scratch, "many", markets)) for _ in range(int(rounds))]
    four, many = ([pair[side] for pair in pairs] for side in (0, 1))
    print(f"medians of {rounds} pairs in turn, {PROJECT.name}, {os.cpu_count()} cores")
    for step in STEPS:
        sides = (statistics.median(cost.steps[step] for cost in costs) for costs in (four, many))
        print(f"{step:<40}" + "".join(f"{seconds:9.3f} s" for seconds in sides))
    share = statistics.median(cost.positioning / cost.wall for cost in four)
    print(f"{'together':<40}" + "".join(f"{statistics.median(c.positioning for c in s):9.3f} s" for s in (four, many)))
    print(f"{'whole run':<40}" + "".join(f"{statistics.median(c.wall for c in s):9.3f} s" for s in (four, many)))
    print(f"share of a run of four markets: {share:.1%} (at most 15 %)")
    ratio = statistics.median(b.positioning / a.positioning for a, b in pairs)
    wall, cpu = (statistics.median(getattr(b, unit) / getattr(a, unit) for a, b in pairs) for unit in ("wall", "cpu"))
    print(f"{count} markets against 4: {ratio:.2f} x (at most 3)")
    print(f"the whole run: {wall:.2f} x by wall, {cpu:.2f} x by CPU (at most 2.4)")


if __name__ == "__main__":
    main(*sys.argv[1:])
