"""What every test shares: asyncio as the one async backend, and the folder of recorded data beside the checkout."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True)  # CI repeats itself; a person's run looks for new examples
if os.environ.get("CI"):
    settings.load_profile("ci")

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of recorded market data and published prices; a test that needs it is skipped aloud without it."""
    if not DATA.is_dir():
        pytest.skip(f"no recorded data at {DATA}")
    return DATA
