"""What a day costs: `r2k run` with one new report, with one new session and with nothing new, against a first run.

Belongs here: the same lake from run to run, with the clock at each day. Not here: the empty Dagster job (run.py).
`python benchmarks/day.py [FILES [ROUNDS]]`, by default ../shared/real and 3. It needs the program faketime.
"""

import os
import re
import statistics
import sys
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from run import R2K, REAL, Cost, measure

DAYS: Final = {
    "first run": ("2025-05-02 10:00:00", "2025-05-01", "2025-04-22"),
    "one report": ("2025-05-02 19:36:00", "2025-05-01", "2025-04-29"),
    "one session": ("2025-05-02 22:30:00", "2025-05-02", "2025-04-29"),
    "nothing new": ("2025-05-02 23:30:00", "2025-05-02", "2025-04-29"),
}
"""The UTC clock of each run, the last session in the price files, the last report in the archives.

The first run is on the morning after a session, when its volumes have settled: they are news of their own.
"""
AIMS: Final = {"one report": 0.60, "one session": 0.75, "nothing new": 0.45}
"""CPU of a run over that of the first one."""
ISO_DAY: Final = re.compile(rb"\b\d{4}-\d\d-\d\d\b")


def write_files(files: Path, folder: Path, moment: str, last_session: str, last_report: str) -> None:
    """Copy `files` to `folder` as they were at `moment`: without what came later, and saved then."""
    for source in files.glob("prices/*.csv"):
        header, *rows = source.read_bytes().splitlines(keepends=True)
        known = [row for row in rows if row[:10] <= last_session.encode()]
        _save(folder / "prices" / source.name, header + b"".join(known), moment)
    for source in files.glob("cot/*.zip"):
        with zipfile.ZipFile(source) as archive:
            (member,) = archive.namelist()
            header, *rows = archive.read(member).splitlines(keepends=True)
        known = [row for row in rows if all(day <= last_report.encode() for day in ISO_DAY.findall(row))]
        target = folder / "cot" / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, header + b"".join(known))
        _save(target, target.read_bytes(), moment)


def _save(file: Path, body: bytes, moment: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    saved = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    os.utime(file, (saved, saved))


def one_round(files: Path, scratch: Path, number: int) -> dict[str, Cost]:
    """The four runs on a fresh lake."""
    costs = {}
    for name, (moment, last_session, last_report) in DAYS.items():
        vendor = scratch / "vendor"
        write_files(files, vendor, moment, last_session, last_report)
        clock = ["env", "TZ=UTC", "faketime", "-f", f"@{moment}"]
        run = [*clock, R2K, "run", "--files", str(vendor), "--lake", str(scratch / f"lake_{number}")]
        costs[name] = measure(run, scratch / f"home_{number}", scratch)
    return costs


def main(files: str = str(REAL), rounds: str = "3") -> None:
    """Measure and print; says so and stops where there are no files to run on."""
    folder = Path(files).resolve()
    if not folder.is_dir():
        sys.exit(f"no folder {folder}: give one in the layout of `r2k run --source files`")
    with tempfile.TemporaryDirectory() as name:
        measured = [one_round(folder, Path(name), number) for number in range(int(rounds) + 1)][1:]
    print("| run | wall s | CPU s | CPU / first run | aim |", "|---|---|---|---|---|", sep="\n")
    for name in DAYS:
        wall, cpu = (statistics.median(getattr(costs[name], unit) for costs in measured) for unit in ("wall", "cpu"))
        ratio = statistics.median(costs[name].cpu / costs["first run"].cpu for costs in measured)
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {ratio:.2f} | {AIMS.get(name, '')} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
