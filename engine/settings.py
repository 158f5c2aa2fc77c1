"""The engine's sections of config.yaml, as frozen models. Their defaults are the documented ones; unknown keys are refused.

Ranges stand beside each key, so that the message for a bad value can say what is allowed.
"""

from collections.abc import Mapping
from datetime import time
from itertools import pairwise
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    HttpUrl,
    StrictBool,
    TypeAdapter,
    model_validator,
)

from engine.model import Exercise


class Section(BaseModel):
    """A part of the config: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _a_number(value: object) -> object:
    """Texts such as "nan" or "1e6" in quotes and booleans are not numbers."""
    if isinstance(value, str | bool):
        raise ValueError(f"{value!r} is not a number")
    return value


def _a_web_address(text: str) -> str:
    try:
        url = TypeAdapter(HttpUrl).validate_python(text)
    except ValueError:
        url = None
    if url is None or url.query is not None or url.fragment is not None:
        raise ValueError(f"{text!r} is not a web address such as {TREASURY_URL}, without ? or #")
    return str(url)


def _hours(text: str) -> str:
    try:
        first, last = (time.fromisoformat(part) for part in text.split("-"))
    except ValueError:
        raise ValueError(f"{text!r} is not hours such as 22:00-07:00") from None
    if first == last:
        raise ValueError(f"{text!r} begins where it ends")
    return text


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


Number = Annotated[FiniteFloat, BeforeValidator(_a_number)]
Whole = Annotated[int, BeforeValidator(_a_number)]
Share = Annotated[Number, Field(gt=0, le=1)]
Symbol = Annotated[str, Field(min_length=1, max_length=24)]
WebAddress = Annotated[str, AfterValidator(_a_web_address)]

TableFile = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+\.csv$", max_length=1000)]

TREASURY_URL: Final = "https://fred.stlouisfed.org/graph/fredgraph.csv"

LEVERAGED_FUNDS: Final[Mapping[str, float]] = {
    "TQQQ": 3, "SQQQ": -3, "QLD": 2, "QID": -2, "PSQ": -1, "UPRO": 3, "SPXL": 3, "SPXU": -3, "SPXS": -3, "SSO": 2, "SDS": -2,
    "SH": -1, "TNA": 3, "TZA": -3, "UWM": 2, "TWM": -2, "RWM": -1, "UDOW": 3, "SDOW": -3, "DDM": 2, "DXD": -2, "DOG": -1,
    "SOXL": 3, "SOXS": -3, "TECL": 3, "TECS": -3, "FAS": 3, "FAZ": -3, "LABU": 3, "LABD": -3, "NVDL": 2, "TSLL": 2,
}  # fmt: skip
VOLATILITY_INDICES: Final = ("VIX", "VIX1D", "VIX9D", "VIX3M", "VIX6M", "VIX1Y", "VXN", "RVX", "VXD", "VVIX")
VOLATILITY_FUNDS: Final[Mapping[str, float]] = {
    "VXX": 1,
    "VIXY": 1,
    "UVXY": 1.5,
    "UVIX": 2,
    "SVXY": -0.5,
    "SVIX": -1,
}
SPOT_STEPS: Final = (-0.20, -0.15, -0.10, -0.05, 0.0, 0.05, 0.10, 0.15, 0.20)
IV_STEPS: Final = (-0.50, -0.25, 0.0, 0.25, 0.50, 0.75, 1.00)
MOST_STEPS: Final = (17, 13)
"""Spot and IV steps that a picture on a phone still shows."""
EQUITY_FUTURES: Final = ("ES", "MES", "NQ", "MNQ", "RTY", "M2K", "YM", "MYM")


class IbkrSettings(Section):
    host: str = "127.0.0.1"
    port: Annotated[Whole, Field(ge=1, le=65535)] = 7497
    client_id: Annotated[Whole, Field(ge=1, le=999_999)] = 1
    account: str | None = None


class ScenarioSettings(Section):
    use_calendar: StrictBool = True
    auto_detect_earnings: StrictBool = True
    default_iv_model: Annotated[str, Field(pattern="^(beta_weighted|flat)$")] = "beta_weighted"
    spot_model: Annotated[str, Field(pattern="^(uniform|beta)$")] = "uniform"
    wing_at: Annotated[Number, Field(gt=0, lt=0.5)] = 0.05
    iv_floor: Annotated[Number, Field(ge=0.001, lt=1)] = 0.03
    iv_cap: Annotated[Number, Field(gt=1, le=20)] = 5.0
    reference_index: Symbol = "SPY"
    betas: dict[Symbol, Annotated[Number, Field(ge=-10, le=10)]] = Field(default_factory=dict)
    crash_move: Annotated[Number, Field(gt=0, lt=1)] = 0.05
    crash_put_extra: Annotated[Number, Field(ge=0, le=5)] = 0.0
    leveraged_funds: dict[Symbol, Number] = Field(default_factory=lambda: dict(LEVERAGED_FUNDS))
    volatility_indices: tuple[Symbol, ...] = VOLATILITY_INDICES
    volatility_funds: dict[Symbol, Number] = Field(default_factory=lambda: dict(VOLATILITY_FUNDS))
    equity_futures: tuple[Symbol, ...] = EQUITY_FUTURES
    exercise: dict[Symbol, Exercise] = Field(default_factory=lambda: {"OEX": Exercise.AMERICAN})

    @model_validator(mode="after")
    def _floor_below_cap(self) -> "ScenarioSettings":
        if self.iv_floor >= self.iv_cap:
            raise ValueError("iv_floor must be below iv_cap")
        return self


class MatrixSettings(Section):
    """The grid of the risk matrix: relative steps, whether IV is shaped by the model, and calendar days forward."""

    spot_steps: tuple[Annotated[Number, Field(gt=-1, le=5)], ...] = SPOT_STEPS
    iv_steps: tuple[Annotated[Number, Field(gt=-1, le=10)], ...] = IV_STEPS
    shaped: StrictBool = False
    days: Annotated[Whole, Field(ge=0, le=365)] = 0

    @model_validator(mode="after")
    def _ascending(self) -> "MatrixSettings":
        for name, steps, most in zip(
            ("spot_steps", "iv_steps"), (self.spot_steps, self.iv_steps), MOST_STEPS, strict=True
        ):
            if not 1 <= len(steps) <= most:
                raise ValueError(f"{name} must have 1 to {most} steps, not {len(steps)}")
            if any(low >= high for low, high in pairwise(steps)):
                raise ValueError(f"{name} must rise from step to step")
        return self


class SimulationSettings(Section):
    """How Value at Risk is simulated."""

    paths: Annotated[Whole, Field(ge=1_000, le=200_000)] = 10_000
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 1)] = 1
    degrees_of_freedom: Annotated[Number, Field(gt=2, le=1000)] = 5.0


class RiskLimits(Section):
    warn_portfolio_loss: Share = 0.10
    max_portfolio_loss: Share = 0.15
    position_concentration: Share = 0.25
    vega_limit: Annotated[Number, Field(gt=0)] = 10_000.0
    short_gamma_limit: Share = 0.05
    var_limit: Annotated[Number, Field(gt=0)] | None = None
    margin_cushion: Share = 0.15
    model_gap: Share = 0.005
    critical_at: Annotated[Number, Field(gt=1, le=10)] = 1.5
    iv_rank_high: Share = 0.80
    iv_rank_low: Annotated[Number, Field(ge=0, lt=1)] = 0.20

    @model_validator(mode="after")
    def _in_order(self) -> "RiskLimits":
        if self.warn_portfolio_loss > self.max_portfolio_loss:
            raise ValueError("warn_portfolio_loss must not exceed max_portfolio_loss")
        if self.iv_rank_low >= self.iv_rank_high:
            raise ValueError("iv_rank_low must be below iv_rank_high")
        return self


class DataSettings(Section):
    cache_ttl: Annotated[Number, Field(ge=0, le=60)] = 1.0
    snapshot_interval: Annotated[Number, Field(ge=1, le=3600)] = 300.0
    stale_after: Annotated[Number, Field(ge=1, le=3600)] = 60.0
    sigma_stale_after: Annotated[Number, Field(ge=1, le=86_400)] = 300.0
    max_lines: Annotated[Whole, Field(ge=4, le=10_000)] = 100
    allow_delayed: StrictBool = True
    risk_free_rate: Annotated[Number, Field(gt=-0.5, lt=1)] = 0.05
    treasury_url: Annotated[WebAddress | None, BeforeValidator(_none_if_empty)] = TREASURY_URL
    yahoo_dividends: StrictBool = True
    yahoo_earnings: StrictBool = True
    fed_meetings: Annotated[TableFile | None, BeforeValidator(_none_if_empty)] = "fed_meetings.csv"
    events: Annotated[TableFile | None, BeforeValidator(_none_if_empty)] = "events.csv"
    default_iv: Annotated[Number, Field(gt=0.01, le=5)] = 0.30


class AlertSettings(Section):
    enabled: StrictBool = True
    email: str | None = None
    console: StrictBool = True
    pending: Annotated[Number, Field(ge=0, le=3600)] = 0.0
    recovering: Annotated[Number, Field(ge=0, le=86_400)] = 60.0
    repeat: Annotated[Number, Field(ge=0, le=604_800)] = 3600.0
    quiet_hours: Annotated[str, AfterValidator(_hours)] | None = None


class DatabaseSettings(Section):
    url: Annotated[str, Field(min_length=1)] = "sqlite:///data/riskbot.sqlite3"


class EngineSettings(Section):
    """What `analyse` needs: everything that turns a Snapshot into a report. `custom_scenarios` has a text by name."""

    scenarios: ScenarioSettings = ScenarioSettings()
    matrix: MatrixSettings = MatrixSettings()
    custom_scenarios: dict[str, str] = Field(default_factory=dict)
    risk_limits: RiskLimits = RiskLimits()
    simulation: SimulationSettings = SimulationSettings()
    data: DataSettings = DataSettings()
