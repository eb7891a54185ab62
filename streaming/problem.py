"""What an HTTP client is told when it is refused: RFC 9457 (`application/problem+json`) and the status that fits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from engine.errors import WinnowError
from streaming.errors import Close, Refusal

_STATUS = {
    Close.DRAINING: 503,
    Close.POLICY: 403,
    Close.TOO_LARGE: 413,
    Close.OUR_FAULT: 500,
    Close.NO_CAPACITY: 503,
    Close.BAD_MESSAGE: 400,
    Close.UNAUTHORISED: 401,
    Close.TIMED_OUT: 504,
    Close.UNSUPPORTED_MEDIA: 422,
    Close.TOO_MANY_SESSIONS: 429,
}
_BY_CODE = {"unknown_prompt": 422}


class Problem(WinnowError):
    """A request that is refused.

    Args:
        status: HTTP status.
        code: stable machine-readable name.
        detail: one sentence for a person.
        retry_after_s: when the same request may work.
        headers: further ones.
        members: further ones of the body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.members = status, code, detail, members
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            # RFC 9110, section 10.2.3: whole seconds.
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
            self.members["retry_after_s"] = retry_after_s

    def response(self) -> Response:
        """The answer."""
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.members,
        }
        return Response(json.dumps(body), self.status, self.headers, media_type="application/problem+json")


def problem_of(refusal: Refusal | Mapping[str, Any]) -> Problem:
    """The problem that says the same as a refusal, or as the `error` message made of one."""
    told = dict(refusal.wire() if isinstance(refusal, Refusal) else refusal)
    told.pop("type", None)
    code, detail = str(told.pop("code")), str(told.pop("message"))
    close = told.pop("close_code", Close.OUR_FAULT)
    status = _BY_CODE.get(code, _STATUS.get(close, 500))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    retry_after_s = told.pop("retry_after_s", None)
    return Problem(status, code, detail, retry_after_s=retry_after_s, headers=headers, **told)
