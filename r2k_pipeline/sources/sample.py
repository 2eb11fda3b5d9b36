"""The sample: synthetic vendor files, deterministic and offline, for the parsers that read the real ones.

Belongs here: putting the files on disk, in the layout of `--source files`. Not here: their content
(sample_prices.py, sample_cot.py, sample_cot_files.py). Every market name in the COT files begins with SAMPLE.
"""

import shutil
from pathlib import Path

from r2k_pipeline.files import write_flushed
from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from r2k_pipeline.sources.sample_prices import build_sample_prices


def write_sample(folder: Path) -> None:
    """Write `prices/SYMBOL.csv` and `cot/*.zip` into `folder`, all or nothing; an existing `folder` is left alone.

    The files are written beside it and renamed into place, so that a killed writer leaves no half of a sample, and its
    remains are swept by the next one. One writer at a time: the caller holds the lake's lock. Raises OSError.
    """
    if folder.exists():
        return
    partial = folder.with_name(f"{folder.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    for symbol, text in build_sample_prices().items():
        write_flushed(partial / "prices" / f"{symbol}.csv", text.encode())
    for name, content in build_sample_cot().items():
        write_flushed(partial / "cot" / name, content)
    partial.rename(folder)
