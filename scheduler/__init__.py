"""The clock: when things happen, once each."""

from scheduler.board import Board, JobState
from scheduler.hours import MarketHours
from scheduler.jobs import DayJob, Job, Run
from scheduler.runner import Runner
from scheduler.settings import ScheduleSettings
from scheduler.triggers import AfterClose, BeforeOpen, Due, EachNight, Trigger

__all__ = [
    "AfterClose",
    "BeforeOpen",
    "Board",
    "DayJob",
    "Due",
    "EachNight",
    "Job",
    "JobState",
    "MarketHours",
    "Run",
    "Runner",
    "ScheduleSettings",
    "Trigger",
]
