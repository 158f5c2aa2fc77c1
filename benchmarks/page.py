"""The page that shows what the validations found, and the recorded data that they run on."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
DATA: Final = ROOT.parent / "shared" / "data"
PAGE: Final = ROOT / "docs" / "validation.md"


def show(data: Path, tables: Callable[[Path], str], begin: str, end: str) -> int:
    """Print the tables made of recorded data, or with `--write` put them between two marks of the page; the exit code."""
    if not data.is_file():
        print(f"skipped: no recorded data at {data}", file=sys.stderr)
    elif "--write" in sys.argv:
        write_between(begin, end, tables(data))
    else:
        print(tables(data))
    return 0


def write_between(begin: str, end: str, text: str) -> None:
    """Put `text` between two marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def shown_between(begin: str, end: str) -> str:
    """What the page shows between two marks."""
    return PAGE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip()
