"""What goes wrong on the wire: one `error` message, then one close code; whose fault it is, is in the code.

    Refusal                          ends the session: `error` is sent, then the socket closes with `close`
    ├── BadMessage          4400     the client can put it right: field, expected, got
    │   └── BadWish                  … of an `update` or `remove`: a session that runs goes on as it was
    ├── NotSupportedYet     4415     in the contract, but not in this server: names the field
    ├── Unauthorised        4401     no key or token, or one that is not accepted
    └── (others by `code`)           no_capacity, draining, idle, slow_consumer, engine_fault …

An engine error becomes a refusal in one place, `refusal_of`. What an `update` cannot do is told by the same message
without a close: the session goes on unchanged.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from engine.errors import BadInput, BundleError, CallerError, EngineFault, NoCapacity, UnknownPrompt, WinnowError


class Close(IntEnum):
    """Close codes of the contract."""

    DONE = 1000
    DRAINING = 1001
    INVALID_TEXT = 1007
    POLICY = 1008
    TOO_LARGE = 1009
    OUR_FAULT = 1011
    NO_CAPACITY = 1013
    BAD_MESSAGE = 4400
    UNAUTHORISED = 4401
    TIMED_OUT = 4408
    UNSUPPORTED_MEDIA = 4415
    TOO_MANY_SESSIONS = 4429


class Refusal(WinnowError):
    """A session that does not start or does not go on.

    Args:
        code: stable machine-readable name.
        message: one sentence for a person.
        close: the WebSocket close code that follows.
        retryable: whether the same request may work later.
        details: further members of the `error` message (`field`, `suggestions`, `retry_after_s` …).
    """

    def __init__(self, code: str, message: str, close: int, *, retryable: bool = False, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.close = int(close)
        self.retryable = retryable
        self.details = details

    def wire(self, *, closes: bool = True) -> dict[str, Any]:
        """The `error` message; `close_code` is in it exactly when a close follows."""
        body = {"type": "error", "code": self.code, "message": self.message, "retryable": self.retryable}
        body.update(self.details)
        if closes:
            body["close_code"] = self.close
        return body


class BadMessage(Refusal):
    """A message or query that cannot be understood; names the field, what was expected and what came."""

    def __init__(self, field: str, expected: str, got: object, *, close: int = Close.BAD_MESSAGE) -> None:
        shown = got if isinstance(got, str) else repr(got)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        code = "unsupported_media" if close == Close.UNSUPPORTED_MEDIA else "bad_message"
        super().__init__(
            code, f"{field}: expected {expected}, got {shown}", close, field=field, expected=expected, got=shown
        )


class BadWish(BadMessage):
    """An `update` or `remove` with something wrong in it: a session that runs goes on as it was."""


class NotSupportedYet(Refusal):
    """Something the contract names and this server does not do yet."""

    def __init__(self, field: str, what: str, close: int = Close.UNSUPPORTED_MEDIA) -> None:
        super().__init__("not_supported_yet", f"{field}: {what} is not supported yet", close, field=field)


class Unauthorised(Refusal):
    """No key or token came, or one that this server does not accept; `reason` says which."""

    def __init__(self, message: str, reason: str = "key") -> None:
        super().__init__("unauthorised", message, Close.UNAUTHORISED, field="Authorization", reason=reason)


def no_capacity(reason: str, retry_after_s: float) -> Refusal:
    """The server is full now."""
    return Refusal("no_capacity", reason, Close.NO_CAPACITY, retryable=True, retry_after_s=retry_after_s)


def too_large(what: str, expected: str, got: str) -> Refusal:
    """A message over the limit in bytes or in seconds."""
    message = f"{what}: expected {expected}, got {got}"
    return Refusal("message_too_large", message, Close.TOO_LARGE, field=what, expected=expected, got=got)


def draining(close: int, retry_after_s: float) -> Refusal:
    """The server is being stopped: 1001 for a session that runs, 1013 for one that asks to begin."""
    message = "the server is being stopped; connect again"
    return Refusal("draining", message, close, retryable=True, retry_after_s=retry_after_s)


def refusal_of(error: BaseException, retry_after_s: float = 5.0) -> Refusal:
    """The refusal that tells an error to the client; an unknown error is our fault and tells nothing of itself.

    Args:
        error: what went wrong.
        retry_after_s: when to ask again where there is no room and the error does not say.
    """
    match error:
        case Refusal():
            return error
        case UnknownPrompt():
            details: dict[str, Any] = {"prompt": error.prompt[:200], "suggestions": list(error.suggestions)}
            if error.target is not None:
                details["target"] = error.target
            return Refusal(error.code, str(error), Close.BAD_MESSAGE, **details)
        case BadInput():
            details = {"field": error.field, "expected": error.expected, "got": error.got}
            return Refusal("bad_message", str(error), Close.BAD_MESSAGE, **details)
        case CallerError():
            return Refusal(error.code, str(error), Close.BAD_MESSAGE)
        case NoCapacity():
            return no_capacity(str(error), error.retry_after_s or retry_after_s)
        case EngineFault() | BundleError():
            message = "the engine failed; this session cannot go on"
            return Refusal(error.code, message, Close.OUR_FAULT, retryable=True)
        case _:
            return Refusal("internal", "our fault; it has been logged", Close.OUR_FAULT, retryable=True)
