"""`riskbot compare`: an export of Risk Navigator, or the broker's model, against riskbot's own figures."""

import sys
from pathlib import Path
from typing import Final

from bot.config import Config
from bot.snapshot_input import snapshot_of_file, stored_snapshot
from engine.errors import RequestError
from engine.model import Snapshot

HOW: Final = "riskbot compare EXPORT.csv [SNAPSHOT.json], or riskbot compare --model [SNAPSHOT.json]"


def compare_files(
    config: Config, files: list[Path], *, model: bool, beta: bool, factor: float, as_json: bool
) -> str:
    """What the command prints.

    Raises:
        RequestError: If a file is missing, can't be read, or is not what it should be; the text says what can be done.
    """
    if len(files) > (1 if model else 2) or not (files or model):
        raise RequestError(f"{len(files)} files given. Try: {HOW}")
    if model:
        return _against_the_model(config, _snapshot(config, files), as_json)
    return _against_the_export(config, files, beta, factor, as_json)


def _against_the_export(config: Config, files: list[Path], beta: bool, factor: float, as_json: bool) -> str:
    from engine.navigator import compare, comparison_json, comparison_text, read_export

    path = files[0]
    try:
        export = read_export(path.read_bytes())
    except OSError as error:
        raise RequestError(f"{path}: can't be read: {error.strerror}") from error
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error
    found = compare(export, _snapshot(config, files[1:]), config.engine, beta=beta, factor=factor)
    return comparison_json(found) if as_json else comparison_text(found)


def _against_the_model(config: Config, snapshot: Snapshot, as_json: bool) -> str:
    from bot.model_table import model_json, model_table
    from engine.analysis import analyse
    from engine.risk import model_gaps

    report = analyse(snapshot, config.engine)
    gaps = model_gaps(snapshot, report.positions)
    return model_json(report, gaps) if as_json else model_table(report, gaps)


def _snapshot(config: Config, files: list[Path]) -> Snapshot:
    """The Snapshot of the file, or without one the last complete one that is stored, whose time is then said."""
    if files:
        return snapshot_of_file(files[0])
    snapshot = stored_snapshot(config.database.url)
    print(
        f"snapshot: the last complete one stored, of {snapshot.as_of:%Y-%m-%d %H:%M:%S} UTC", file=sys.stderr
    )
    return snapshot
