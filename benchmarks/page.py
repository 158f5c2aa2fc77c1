"""The page that shows what the validations found, and the recorded data that they run on."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
DATA: Final = ROOT.parent / "shared" / "data"
PAGE: Final = ROOT / "docs" / "validation.md"


def write_between(begin: str, end: str, text: str) -> None:
    """Put `text` between two marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def shown_between(begin: str, end: str) -> str:
    """What the page shows between two marks."""
    return PAGE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip()
