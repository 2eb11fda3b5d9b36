"""Fixtures that more than one kind of test needs."""

from pathlib import Path

import pytest

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real vendor files beside the checkout; tests that need it skip where it is absent."""
    if not REAL.is_dir():
        pytest.skip("../shared/real is not here: tests on real vendor data need it")
    return REAL
