"""The one way a request fails here: a RefusedError carries the code and the text that Telegram would answer.

Texts are the real server's, in its own spelling, wherever they are known; a text that ends in "(simulator)"
is ours, for a slip that Telegram would pass over in silence and a test double must not.
"""

from collections.abc import Mapping


class RefusedError(Exception):
    """A request is refused: HTTP status `code`, Telegram's `description` and, where there are any, its
    `parameters`.
    """

    def __init__(self, code: int, description: str, parameters: Mapping[str, int] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = dict(parameters or {})


def bad_request(text: str) -> RefusedError:
    """400 with Telegram's prefix."""
    return RefusedError(400, f"Bad Request: {text}")


def forbidden(text: str) -> RefusedError:
    """403 with Telegram's prefix."""
    return RefusedError(403, f"Forbidden: {text}")


def conflict() -> RefusedError:
    """409: what the waiting poller gets when another one starts."""
    return RefusedError(
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    )


def too_many_requests(retry_after_s: int) -> RefusedError:
    """429 with the wait in whole seconds."""
    return RefusedError(
        429, f"Too Many Requests: retry after {retry_after_s}", {"retry_after": retry_after_s}
    )
