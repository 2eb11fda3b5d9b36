"""Where the files are that ship with the code: SQL, TOML, templates, Dagster's settings.

Belongs here: their place in a checkout and in an installed wheel. Not here: what is read from them, a user's own files.
"""

from importlib import resources
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(str(resources.files("r2k_pipeline"))).resolve()
CHECKOUT: Final = None if (PACKAGE / "sql").is_dir() else PACKAGE.parent
"""The project's folder; None where r2k was installed from a wheel, which has sql/ within the package."""


def shipped(name: str) -> Path:
    """The file or folder `name`, relative to the package; sql/ is beside the package in a checkout."""
    folder = CHECKOUT if CHECKOUT and Path(name).parts[0] == "sql" else PACKAGE
    return folder / name
