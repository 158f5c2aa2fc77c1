"""The `schedule` section of config.yaml."""

from datetime import date, time
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


def _an_hour(text: str) -> str:
    try:
        time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an hour such as 03:15") from None
    return text


class ScheduleSettings(Section):
    """When the jobs run. "Market hours" are the exchange's sessions, holidays and half-days included."""

    time_zone: Annotated[str, AfterValidator(_a_zone)] = "America/New_York"
    exchange: Annotated[str, Field(pattern="^[A-Za-z0-9_ ]{2,32}$")] = "NYSE"
    look_interval: Annotated[Number, Field(ge=0.5, le=3600)] = 2.0
    refresh_interval: Annotated[Number, Field(ge=1, le=3600)] = 60.0
    start_of_day: StrictBool = True
    start_of_day_lead: Annotated[Number, Field(ge=0, le=14_400)] = 900.0
    end_of_day: StrictBool = True
    end_of_day_delay: Annotated[Number, Field(ge=0, le=14_400)] = 300.0
    nightly: StrictBool = True
    nightly_at: Annotated[str, Field(pattern="^[0-9]{2}:[0-9]{2}$"), AfterValidator(_an_hour)] = "03:15"
    closed_days: tuple[date, ...] = ()
    always_open: StrictBool = False
