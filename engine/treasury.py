"""The dollar's interest rates: the daily Treasury yields that FRED publishes, made into a curve of continuous rates.

FRED's table has a line a day and a column a series, in percent a year; '.' or nothing is a day without that number. Constant
maturity yields (CMT) are those of the Treasury's par curve, compounded twice a year. Up to a year they are taken as bills, which
pay once: rate = 2 ln(1 + y/2). Beyond, a bond with a coupon each half-year is worth par at its yield, par yields are linear
between the known tenors, and the discount factors follow one by one (bootstrap; Hull, "Options, Futures, and Other
Derivatives", chapter 4): D(n) = (1 − y/2 (D(1) + … + D(n−1))) / (1 + y/2).
"""

import math
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import anyio
import httpx
import numpy as np
from anyio import to_thread

from engine.errors import MarketDataError
from engine.model import RateCurve

DOLLAR: Final = "USD"
TENORS: Final[Mapping[str, float]] = {
    "DGS1MO": 1 / 12, "DGS3MO": 0.25, "DGS6MO": 0.5, "DGS1": 1.0, "DGS2": 2.0, "DGS5": 5.0, "DGS10": 10.0, "DGS20": 20.0,
    "DGS30": 30.0,
}  # fmt: skip
"""FRED's series and their years."""

LEAST_TENORS: Final = 6
LEAST_BILLS: Final = 3
"""Of the tenors up to a year: most options live there."""
LEAST_YIELD, MOST_YIELD = -2.0, 30.0
"""Percent; the peak, of 1981, is below 18."""

FETCH_WITHIN_S: Final = 20.0
MOST_BYTES: Final = 4_000_000
"""FRED's whole history since 1962 is a quarter of this."""
LOOK_BACK: Final = timedelta(days=30)
HEADERS: Final = {"User-Agent": "Mozilla/5.0 (compatible; riskbot)", "Accept": "text/csv"}
"""A name of our own in a browser's form: some front servers are reported to turn away the default names of HTTP libraries."""


async def fetch_curve(url: str, today: date, within_s: float = FETCH_WITHIN_S) -> RateCurve:
    """The newest curve that FRED, or what speaks like it at `url`, has.

    Raises:
        MarketDataError: If it does not answer within `within_s` seconds, or not with a table that can be believed.
    """
    query = {"id": ",".join(TENORS), "cosd": str(today - LOOK_BACK)}
    try:
        with anyio.fail_after(within_s):
            text = await _download(url, query, within_s)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise MarketDataError(f"{url} did not answer within {within_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MarketDataError(f"{url} can't be read: {reason}") from error
    return await to_thread.run_sync(parse_curve, text, today)


async def _download(url: str, query: Mapping[str, str], within_s: float) -> str:
    """The body of the answer. Making a TLS context reads files, and so is done in a thread."""
    tls = await to_thread.run_sync(httpx.create_ssl_context)
    async with (
        httpx.AsyncClient(verify=tls, headers=HEADERS, timeout=within_s, follow_redirects=True) as client,
        client.stream("GET", url, params=query) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise MarketDataError(f"{url} answers {answer.status_code}")
        body = bytearray()
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                raise MarketDataError(f"{url} answers with more than {MOST_BYTES:,} bytes")
    return body.decode("utf-8-sig", "replace")


def parse_curve(text: str, today: date) -> RateCurve:
    """The curve of the newest day in FRED's table `text` on which enough tenors are known.

    Raises:
        MarketDataError: If any line of the table can't be believed, or no day has enough; one line that says why.
    """
    header, *lines = text.splitlines() or [""]
    columns = _columns(header)
    newest: tuple[date, dict[float, float]] | None = None
    last = date.min
    for number, line in enumerate(lines, start=2):
        try:
            day, yields = _parse_line(line.split(","), columns)
        except ValueError as error:
            raise MarketDataError(f"Treasury yields, line {number}: {str(error)[:80]}") from error
        if not last < day <= today:
            raise MarketDataError(f"Treasury yields, line {number}: {day} after {last}, and today is {today}")
        last = day
        if len(yields) >= LEAST_TENORS and sum(years <= 1.0 for years in yields) >= LEAST_BILLS:
            newest = day, yields
    if newest is None:
        raise MarketDataError(f"Treasury yields: none of {len(lines)} days has enough tenors")
    day, yields = newest
    return RateCurve(DOLLAR, day, continuous_rates(yields))


def continuous_rates(par: Mapping[float, float]) -> tuple[tuple[float, float], ...]:
    """Zero rates of par yields, by the module's formulas.

    Args:
        par: years -> yield in decimals, compounded twice a year; tenors beyond a year are whole half-years.
    Returns:
        (years, continuously compounded rate) at the same tenors, ascending.
    Raises:
        MarketDataError: If the yields rise so steeply that some discount factor is not positive.
    """
    tenors = sorted(par)
    halves = np.arange(1, round(2 * tenors[-1]) + 1) / 2.0
    coupons = np.interp(halves, tenors, [par[years] for years in tenors]) / 2.0
    discounts: list[float] = []
    for years, coupon in zip(halves.tolist(), coupons.tolist(), strict=True):
        bill = (1.0 + coupon) ** (-2.0 * years)
        bond = (1.0 - coupon * sum(discounts)) / (1.0 + coupon)
        discounts.append(bill if years <= 1.0 else bond)
    if min(discounts) <= 0.0:
        raise MarketDataError("Treasury yields: no discount factors fit them, they rise too steeply")
    zero = dict(zip(halves.tolist(), (-np.log(discounts) / halves).tolist(), strict=True))
    return tuple(
        (years, 2.0 * math.log1p(par[years] / 2.0) if years <= 1.0 else zero[years]) for years in tenors
    )


def _columns(header: str) -> list[float | None]:
    """The tenor of each column, in years; None for a column that holds none.

    Raises:
        MarketDataError: If the line is not the head of FRED's table.
    """
    names = header.split(",")
    if names[0].strip().lower() not in {"observation_date", "date"}:
        raise MarketDataError(f"Treasury yields: no table of FRED's, it starts with {header[:40]!r}")
    missing = [series for series in TENORS if series not in names]
    if missing:
        raise MarketDataError(f"Treasury yields: no column {', '.join(missing)}")
    return [TENORS.get(name) for name in names]


def _parse_line(cells: list[str], columns: list[float | None]) -> tuple[date, dict[float, float]]:
    """A day and its known yields, years -> decimals.

    Raises:
        ValueError: If a cell is not what its column promises.
    """
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} cells under {len(columns)} columns")
    day = date.fromisoformat(cells[0])
    yields = {}
    for years, cell in zip(columns, cells, strict=True):
        if years is None or cell.strip() in {"", "."}:
            continue
        percent = float(cell)
        if not LEAST_YIELD <= percent <= MOST_YIELD:
            raise ValueError(f"{percent:g} % is not a yield")
        yields[years] = percent / 100.0
    return day, yields
