"""`r2k report` killed at any step of its writing leaves the old site or the new one; the next report needs no help."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from r2k_pipeline.report.site.replace_folder import ABANDONED_SECONDS, swap_in

PAGES: Final = ("index.html", "RUT.html", "assets/site.css", "figures/RUT.json")
MOST_STEPS: Final = 200
DIES: Final = """
import os, shutil, sys
from pathlib import Path
from r2k_pipeline.report.site.replace_folder import swap_in
from tests.faults.test_killed_report import MOST_STEPS, site_of
before = Path(sys.argv[1])
for steps in range(MOST_STEPS):
    lake = shutil.copytree(before, before.with_name(str(steps)), symlinks=True)
    child = os.fork()
    if not child:
        left = [steps]
        def die(event, arguments):
            if event in ("open", "os.rename", "os.symlink", "os.mkdir", "os.remove", "os.rmdir") and (
                event in ("os.remove", "os.rmdir") or str(lake) in str(arguments)
            ):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
        sys.addaudithook(die)
        swap_in(lake / "report", site_of("new"))
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
else:
    sys.exit("it never came to its end")
"""


def site_of(word: str) -> dict[str, bytes]:
    """A site of which each file says which one it is of."""
    return {name: word.encode() for name in PAGES}


def seen(link: Path) -> dict[str, bytes]:
    """The files that a reader finds at the site's address."""
    return {str(path.relative_to(link)): path.read_bytes() for path in link.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["a link", "a folder, as in a copied lake"])
def test_a_report_killed_at_any_step_leaves_a_whole_site(tmp_path: Path, kind: str) -> None:
    old = tmp_path / "old"
    old.mkdir()
    swap_in(old / "report", site_of("old"))
    if kind != "a link":
        folder = (old / "report").resolve()
        (old / "report").unlink()
        folder.rename(old / "report")
    subprocess.run([sys.executable, "-c", DIES, str(old)], check=True)
    found = []
    for steps in range(len(list(tmp_path.iterdir())) - 1):
        link = tmp_path / str(steps) / "report"
        if not link.exists():  # for one moment: a folder cannot be replaced by a link in one rename
            assert kind != "a link"
            (link,) = link.parent.glob(".report.*.old")
        found.append(seen(link))
        link = tmp_path / str(steps) / "report"
        swap_in(link, site_of("newest"))
        assert seen(link) == site_of("newest")
        for left in link.parent.iterdir():
            os.utime(left, (time.time() - 2 * ABANDONED_SECONDS,) * 2, follow_symlinks=False)
        swap_in(link, site_of("newest"))
        assert {path.name for path in link.parent.iterdir()} == {"report", link.readlink().name}, "all is swept"
    assert len(found) > 20
    places = [(site_of("old"), site_of("new")).index(each) for each in found]
    assert places == sorted(places), "the old one up to some step, the new one from there on"
    assert {0, 1} == set(places)
