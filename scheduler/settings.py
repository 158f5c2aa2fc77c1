"""The `schedule` section of config.yaml."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StrictBool

from engine.settings import Number, Section


def _a_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone; write one such as America/New_York") from None
    return name


class ScheduleSettings(Section):
    """When the jobs run. "Market hours" are the exchange's sessions, holidays and half-days included."""

    time_zone: Annotated[str, AfterValidator(_a_zone)] = "America/New_York"
    exchange: Annotated[str, Field(pattern="^[A-Za-z0-9_ ]{2,32}$")] = "NYSE"
    look_interval: Annotated[Number, Field(ge=0.5, le=3600)] = 2.0
    refresh_interval: Annotated[Number, Field(ge=1, le=3600)] = 60.0
    end_of_day_delay: Annotated[Number, Field(ge=0, le=14_400)] = 300.0
    always_open: StrictBool = False
