"""`make chaos`: campaigns until the time is up; prints seeds, counts and what was found; exit 1 if anything was.

Belongs here: time, seeds, what is printed. Not here: what is done (campaigns.py, readers.py).
"""

import os
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.chaos.campaigns import Campaign
from tests.chaos.readers import read_beside
from tests.chaos.server import serving
from tests.conftest import MEMORY

READERS_SHARE = 0.2
"""Of the time, for readers beside publications."""


def main() -> int:
    """Run for SECONDS from SEED on; each life has the next seed."""
    seconds = float(os.environ.get("SECONDS") or 600)
    seed = int(os.environ.get("SEED") or secrets.randbelow(100_000))
    began, found = time.monotonic(), 0
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    with serving(folder) as server:
        campaign = Campaign(server, folder, Random(seed))
        campaign.prepare()
        print(f"the undisturbed lake: {time.monotonic() - began:.0f} s", flush=True)
        left = max(began + seconds - time.monotonic(), 0)
        counts = read_beside(campaign, time.monotonic() + READERS_SHARE * left)
        print(f"readers: {dict(sorted(counts.items()))}", flush=True)
        while time.monotonic() < began + seconds:
            campaign.random = Random(seed)
            campaign.live(began + seconds)
            told = ", ".join(campaign.told())
            print(f"seed {seed}: {told}; {len(campaign.found)} complaints in all", flush=True)
            for line in campaign.found[found:]:
                print(f"  {line}", flush=True)
            if campaign.found[found:]:
                shutil.copytree(folder / "lived", folder / f"lived-{seed}", symlinks=True)
            found, seed = len(campaign.found), seed + 1
    print(f"in all: {dict(sorted((campaign.counts + counts).items()))}, {found} complaints")
    if found:
        print(f"the lakes stay in {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
