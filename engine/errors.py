"""Every failure this program names, grouped by what its catcher does.

RiskbotError
+-- ConfigError        stop at start-up: a person must edit a file
+-- RequestError       answer the person: what they asked can't be done, and what can
|   +-- SnapshotError  a snapshot file is malformed: name the field and the reason
+-- MarketDataError    go on without the number, and name it
|   +-- RenderError    go on without the picture: send the text
+-- LinkDown           wait and reconnect; speak after the deadline
|   +-- NothingListens   the port is closed: look again soon, it costs nothing
|   +-- ClientIdInUse    try the next id
+-- StoreError         nothing may be reported as saved; tell the owner
|   +-- NotBeingSent     a message's fate has nowhere to be written: let it be (engine.store.outbox)
+-- TradingForbidden   a message that could trade was stopped: a programming mistake, never retried

A programming mistake is none of the others: it stays what Python calls it, is logged with its traceback, and ends
the command, the job run or the part that made it.
"""


class RiskbotError(Exception):
    """The root. Its text is one line for a person: what is wrong, where, and what to do."""


class ConfigError(RiskbotError):
    """A file or environment variable must be edited before the program can start."""


class RequestError(RiskbotError):
    """What a person asked for can't be done; the text says what can."""


class SnapshotError(RequestError):
    """A snapshot file is malformed; the text starts with the path of the field."""


class MarketDataError(RiskbotError):
    """A number is not to be had; its user goes on without it and names it."""


class RenderError(MarketDataError):
    """A picture could not be drawn; the caller sends the text instead."""


class LinkDown(RiskbotError):
    """The broker can't be reached now."""


class NothingListens(LinkDown):
    """No program has the gateway's port open."""


class ClientIdInUse(LinkDown):
    """Another program is logged in with this client id."""


class StoreError(RiskbotError):
    """The database did not take or give what was asked."""


class TradingForbidden(RiskbotError):
    """A message outside the read-only allow-list was about to leave for the broker."""
