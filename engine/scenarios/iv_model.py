"""The volatility models behind one door, `iv_model(settings)`: how sigmas answer a scenario (D3).

`beta_weighted`: iv * (1 + multiplier * moneyness_beta * time_beta). `flat`: the same without either factor. A model sees
the whole book and where each spot goes, so that one that moves whole surfaces needs nothing more; floor and cap (`hold`) are
its caller's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from engine.model import Bools, Floats
from engine.scenarios.shapes import (
    MONEYNESS_BETA,
    ByWing,
    IvShape,
    Proportional,
    TermSlide,
    Uniform,
    by_moneyness,
    time_betas,
    wing_weights,
)
from engine.scenarios.templates import template
from engine.settings import ScenarioSettings
from engine.surface import Surface

DEFAULTS = ScenarioSettings()
DAYS_A_YEAR: Final = 365.0


@dataclass(frozen=True, slots=True, eq=False)
class IvColumns:
    """The base that a model sees.

    Attributes:
        sigma, tau: (n,), decimals per year and years to expiry; NaN for what is no option.
        moneyness, dte: (n,), strike / spot and whole calendar days, of the base market and date.
        underlying: (n,) keys of `surfaces`.
        surfaces: what is known of each underlying's smile and term structure.
    """

    sigma: Floats
    tau: Floats
    moneyness: Floats
    dte: Floats
    underlying: tuple[str, ...]
    surfaces: Mapping[str, Surface]


@dataclass(frozen=True, slots=True, eq=False)
class IvShock:
    """What happens: a template's shape, the market's move (a decimal), calendar days, and (n,) each spot after / before."""

    shape: IvShape
    market_move: float
    days: int
    spot_ratio: Floats


class IvModel(Protocol):
    """One way for implied volatilities to answer. NaN in, NaN out; nothing is held by floor or cap here."""

    def sigma(self, base: IvColumns, shock: IvShock, settings: ScenarioSettings) -> Floats:
        """Volatilities after, (n,), decimals per year. Put and call of one strike get one shift (D2)."""

    def at_the_money(
        self, shape: IvShape, tenor: Floats, market_move: float, settings: ScenarioSettings
    ) -> Floats:
        """Relative shift of the at-the-money volatility of `tenor` days, (n,): what volatility products follow (D4)."""


def iv_model(settings: ScenarioSettings) -> IvModel:
    """The configured model."""
    return MODELS[settings.default_iv_model]


def get_moneyness_beta(moneyness: float, wing_at: float = DEFAULTS.wing_at) -> float:
    """1.3 in the put wing, 1.0 at the money, 0.8 in the call wing, linear between; `moneyness` is strike / spot."""
    return float(by_moneyness(np.array([moneyness]), wing_at, *MONEYNESS_BETA)[0])


def get_time_beta(dte: float) -> float:
    """1.5 for 0-7 days to expiry, 1.0 for 8-30, 0.7 for 31-90, 0.5 over 90."""
    return float(time_betas(np.array([dte], dtype=np.float64))[0])


def calculate_iv_shift(
    base_iv: float,
    moneyness: float,
    dte: float,
    scenario_type: str,
    market_move: float,
    settings: ScenarioSettings = DEFAULTS,
) -> float:
    """The implied volatility of one option under a template, by the configured model (D3).

    Args:
        base_iv: decimals per year.
        moneyness: strike / spot of the base market.
        dte: whole calendar days to expiry, of the base date.
        scenario_type: a template's name, in any case.
        market_move: move of spot, a decimal; it drives only the correlation rule.
        settings: the model, wing, floor, cap and the correlation rule.
    Returns:
        The new volatility, between min(floor, base) and max(cap, base). '1 Week' leaves it: its slide needs a term structure.
    Raises:
        RequestError: If there is no such template.
    """
    base = IvColumns(
        sigma=np.array([base_iv]),
        tau=np.array([dte / DAYS_A_YEAR]),
        moneyness=np.array([moneyness]),
        dte=np.array([dte], dtype=np.float64),
        underlying=("",),
        surfaces={},
    )
    scenario = template(scenario_type)
    shock = IvShock(scenario.iv, market_move, scenario.days, np.array([1.0 + market_move]))
    held, _ = hold(base.sigma, iv_model(settings).sigma(base, shock, settings), settings)
    return float(held[0])


def relative_shift(
    shape: IvShape, moneyness: Floats, dte: Floats, market_move: float, settings: ScenarioSettings
) -> Floats:
    """The shape's relative shift plus the correlation rule: where spot falls by more than `crash_move`, the put wing gets
    `crash_put_extra`.

    The extra grows linearly from the money to the wing and is scaled by time beta where the shape itself is.
    """
    shift = shape.relative_shift(moneyness, dte, settings.wing_at)
    if market_move < -settings.crash_move and settings.crash_put_extra:
        in_put, _ = wing_weights(moneyness, settings.wing_at)
        scale = time_betas(dte) if isinstance(shape, ByWing | Proportional) else 1.0
        shift = shift + settings.crash_put_extra * in_put * scale
    return shift


class BetaWeighted:
    """D3's formula: wings, time betas and the correlation rule."""

    def sigma(self, base: IvColumns, shock: IvShock, settings: ScenarioSettings) -> Floats:
        if isinstance(shock.shape, TermSlide):
            return base.sigma * slides(base, shock.days / DAYS_A_YEAR)
        return base.sigma * (
            1.0 + relative_shift(shock.shape, base.moneyness, base.dte, shock.market_move, settings)
        )

    def at_the_money(
        self, shape: IvShape, tenor: Floats, market_move: float, settings: ScenarioSettings
    ) -> Floats:
        return relative_shift(shape, np.ones_like(tenor), tenor, market_move, settings)


class Flat:
    """No wing and no time factor: every strike and date as the money of a month. What is stated by days to expiry, and the
    slide along the term structure, stay as stated; the correlation rule is one of the put wing, so there is none."""

    def sigma(self, base: IvColumns, shock: IvShock, settings: ScenarioSettings) -> Floats:
        if isinstance(shock.shape, TermSlide):
            return base.sigma * slides(base, shock.days / DAYS_A_YEAR)
        shape = flattened(shock.shape)
        return base.sigma * (1.0 + shape.relative_shift(base.moneyness, base.dte, settings.wing_at))

    def at_the_money(
        self, shape: IvShape, tenor: Floats, market_move: float, settings: ScenarioSettings
    ) -> Floats:
        return flattened(shape).relative_shift(np.ones_like(tenor), tenor, settings.wing_at)


MODELS: Final[Mapping[str, IvModel]] = {"beta_weighted": BetaWeighted(), "flat": Flat()}
"""By the name of `scenarios.default_iv_model`, whose pattern in `ScenarioSettings` lists them too."""


def flattened(shape: IvShape) -> IvShape:
    """The shape without wing and time: its number at the money."""
    match shape:
        case ByWing(money=money):
            return Uniform(money)
        case Proportional(multiplier=multiplier):
            return Uniform(multiplier)
    return shape


def slides(base: IvColumns, years: float) -> Floats:
    """Each option's ATM(T - h) / ATM(T) on its own underlying's term structure, (n,) (D6)."""
    ratio = np.ones_like(base.sigma)
    names = np.array(base.underlying, dtype=object)
    for name, known in base.surfaces.items():
        mine = (names == name) & ~np.isnan(base.tau)
        ratio[mine] = known.slide(base.tau[mine], years)
    return ratio


def hold(base_iv: Floats, new_iv: Floats, settings: ScenarioSettings) -> tuple[Floats, Bools]:
    """`new_iv` between min(floor, base) and max(cap, base), and where that bound; NaN stays NaN."""
    lowest = np.minimum(settings.iv_floor, base_iv)
    highest = np.maximum(settings.iv_cap, base_iv)
    held = np.clip(new_iv, lowest, highest)
    return held, (held != new_iv) & ~np.isnan(new_iv)
