"""The sample's vendor files, as files that a user downloaded."""

from pathlib import Path

import pytest

from tests.lakes import Published, publish_once


@pytest.fixture(scope="session")
def vendor_files(sample: Published) -> Path:
    """The sample's vendor files, as a folder for source `files`."""
    return sample.lake.cache("vendor_files")


@pytest.fixture(scope="session")
def from_files(lakes: Path, homes: Path, vendor_files: Path) -> Published:
    """A lake of source `files`, after one run on the sample's vendor files."""
    return publish_once(lakes / "files", homes / "files", "files", "--files", vendor_files)
