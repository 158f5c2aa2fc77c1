"""The face: what a person sees and presses."""

import os

os.environ.setdefault("PTB_TIMEDELTA", "true")  # the Telegram library reads it when a flood limit is hit
