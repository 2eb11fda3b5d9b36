"""Reading the COT archives: ours against pandas, the same typed columns; equal values are asserted before any time.

Belongs here: from zip files to typed columns, and the whole screening beside it. Not here: the run as a whole.
`python benchmarks/cot_read.py [FILES [ROUNDS]]`: `cot/` of ../shared/real by default, 5 rounds, in turn. A folder with
the disaggregated files beside these covers all families.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl

from r2k_pipeline.contracts.cot import CotReports
from r2k_pipeline.sources.cot import read_report, screen_reports
from r2k_pipeline.sources.cot_layouts import LAYOUTS, normalise
from r2k_pipeline.sources.files import FileReports

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
RECORDED_AT = datetime(2026, 1, 1, tzinfo=UTC)
PRINTED = {ours for layout in LAYOUTS.values() for ours in layout.taken.values()}
NUMBERS = {n: dtype for n, dtype in CotReports.create_empty().schema.items() if n in PRINTED and dtype.is_numeric()}
TEXTS = ["contract_code", "market_name", "contract_units"]
COLUMNS = [*TEXTS, "report_date", *NUMBERS]


def read_texts(folder: Path) -> list[pl.DataFrame]:
    """Every report file of `folder` by our reader: one frame a file, values still text."""
    source = FileReports(folder)
    return [read_report(source.fetch_report(name), RECORDED_AT) for name in source.list_reports()]


def read_ours(folder: Path) -> pl.DataFrame:
    """The same with strict types, file by file as pandas does it."""
    typed = [pl.col(n).cast(t) for n, t in NUMBERS.items()]
    return pl.concat(text.select(*TEXTS, pl.col("report_date").str.to_date(), *typed) for text in read_texts(folder))


def read_pandas(folder: Path) -> pd.DataFrame:
    """What one writes in pandas: the same columns by name, numbers parsed by the C parser, texts stripped."""
    files = [_read_pandas(folder / "cot" / name) for name in FileReports(folder).list_reports()]
    return pd.concat(files, ignore_index=True).reindex(columns=COLUMNS)


def _read_pandas(file: Path) -> pd.DataFrame:
    header = pd.read_csv(file, nrows=0).columns
    names = {vendor: normalise(vendor) for vendor in header}
    layout = next(layout for layout in LAYOUTS.values() if layout.taken.keys() <= set(names.values()))
    ours = {vendor: layout.taken[name] for vendor, name in names.items() if layout.taken.get(name) in COLUMNS}
    texts = {vendor: str for vendor, name in ours.items() if name not in NUMBERS}
    frame = pd.read_csv(file, usecols=list(ours), dtype=texts, na_values=["."], skipinitialspace=True).rename(
        columns=ours
    )
    for vendor in texts:
        frame[ours[vendor]] = frame[ours[vendor]].str.strip()
    frame["report_date"] = pd.to_datetime(frame["report_date"], format="%Y-%m-%d")
    return frame


def assert_equal(ours: pl.DataFrame, theirs: pd.DataFrame) -> None:
    """Cell by cell: the same texts, days and numbers, null where null."""
    assert len(theirs) == ours.height
    for name in COLUMNS:
        column = pl.Series(name, theirs[name].to_numpy() if name in NUMBERS else theirs[name].tolist())
        column = column.fill_nan(None) if column.dtype.is_float() else column
        expected = column.cast(pl.Date if name == "report_date" else ours[name].dtype)
        differs = ours[name].ne_missing(expected)
        assert not differs.any(), (
            f"{name}: {ours[name].filter(differs).head(3)} against {expected.filter(differs).head(3)}"
        )


def seconds(read: Callable[[], object]) -> tuple[float, float]:
    """CPU time of all threads, which other work on the machine changes least, and wall time of one call."""
    started = time.process_time(), time.perf_counter()
    read()
    return time.process_time() - started[0], time.perf_counter() - started[1]


def main(files: str = str(REAL), rounds: str = "5") -> None:
    """Compare, measure in turn, print medians and the median of the ratios round by round."""
    folder = Path(files).resolve()
    if not (folder / "cot").is_dir():
        sys.exit(f"no folder {folder}/cot: give a folder in the layout of `r2k run --source files`")
    ours = read_ours(folder)
    assert_equal(ours, read_pandas(folder))
    readers = {
        "pandas, typed columns": lambda: read_pandas(folder),
        "ours, typed columns": lambda: read_ours(folder),
        "ours, every rule screened": lambda: screen_reports(read_texts(folder)),
    }
    measured = [{name: seconds(read) for name, read in readers.items()} for _ in range(int(rounds))]
    print(f"{ours.height} rows x {len(COLUMNS)} columns, equal; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("| reading | CPU s | against pandas | wall s | against pandas |\n|---|---|---|---|---|")
    for name in readers:
        cells = []
        for clock in (0, 1):
            ratio = statistics.median(times[name][clock] / times["pandas, typed columns"][clock] for times in measured)
            cells.append(f"{statistics.median(times[name][clock] for times in measured):.3f} | {ratio:.2f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
