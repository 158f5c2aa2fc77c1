"""The volatility model of the scenarios, `beta_weighted`: `iv * (1 + multiplier * moneyness_beta * time_beta)`, held between a
floor and a cap (D3)."""

import numpy as np

from engine.model import Bools, Floats
from engine.scenarios.shapes import (
    MONEYNESS_BETA,
    ByWing,
    IvShape,
    Proportional,
    by_moneyness,
    time_betas,
    wing_weights,
)
from engine.scenarios.templates import template
from engine.settings import ScenarioSettings

DEFAULTS = ScenarioSettings()


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
    """The implied volatility of one option under a template (D3).

    Args:
        base_iv: decimals per year.
        moneyness: strike / spot of the base market.
        dte: whole calendar days to expiry, of the base date.
        scenario_type: a template's name, in any case.
        market_move: move of spot, a decimal; it drives only the correlation rule.
        settings: wing, floor, cap and the correlation rule.
    Returns:
        The new volatility, between min(floor, base) and max(cap, base). '1 Week' leaves it: its slide needs a term structure.
    Raises:
        RequestError: If there is no such template.
    """
    shape = template(scenario_type).iv
    shifted, _ = shifted_iv(
        shape,
        np.array([base_iv]),
        np.array([moneyness]),
        np.array([dte], dtype=np.float64),
        market_move,
        settings,
    )
    return float(shifted[0])


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


def shifted_iv(
    shape: IvShape,
    base_iv: Floats,
    moneyness: Floats,
    dte: Floats,
    market_move: float,
    settings: ScenarioSettings,
) -> tuple[Floats, Bools]:
    """New volatilities (n,) and a boolean (n,): where the floor or the cap held one."""
    shift = relative_shift(shape, moneyness, dte, market_move, settings)
    return hold(base_iv, base_iv * (1.0 + shift), settings)


def hold(base_iv: Floats, new_iv: Floats, settings: ScenarioSettings) -> tuple[Floats, Bools]:
    """`new_iv` between min(floor, base) and max(cap, base), and where that bound; NaN stays NaN."""
    lowest = np.minimum(settings.iv_floor, base_iv)
    highest = np.maximum(settings.iv_cap, base_iv)
    held = np.clip(new_iv, lowest, highest)
    return held, (held != new_iv) & ~np.isnan(new_iv)
