"""The clock: when things happen, once each."""

from scheduler.hours import MarketHours
from scheduler.runner import CloseJob, Job, Runner
from scheduler.settings import ScheduleSettings

__all__ = ["CloseJob", "Job", "MarketHours", "Runner", "ScheduleSettings"]
