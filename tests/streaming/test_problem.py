"""Refusals as HTTP problems: the status that fits, and nothing of the refusal lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming.errors import BadMessage, Close, Refusal, Unauthorised, draining, no_capacity
from streaming.problem import Problem, problem_of


def body(problem: Problem) -> dict[str, Any]:
    """Of its response."""
    response = problem.response()
    assert response.media_type == "application/problem+json"
    return dict(json.loads(bytes(response.body)))


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (BadMessage("prompt", "words", "nothing"), 400),
        (Refusal("unknown_prompt", "no known word", Close.BAD_MESSAGE, suggestions=["a"]), 422),
        (Unauthorised("no key"), 401),
        (no_capacity("full", 5.0), 503),
        (draining(Close.NO_CAPACITY, 5.0), 503),
        (
            Refusal("too_many_sessions", "2 are running", Close.TOO_MANY_SESSIONS, retryable=True, retry_after_s=0.2),
            429,
        ),
        (Refusal("origin_refused", "not from there", Close.POLICY), 403),
        (Refusal("internal", "our fault", Close.OUR_FAULT), 500),
    ],
)
def test_status_of_a_refusal(refusal: Refusal, status: int) -> None:
    problem = problem_of(refusal)
    told = body(problem)
    assert told["status"] == problem.status == status
    assert (told["code"], told["detail"]) == (refusal.code, refusal.message)
    assert told["title"]
    assert {name: told[name] for name in refusal.details} == refusal.details
    assert problem_of(refusal.wire()).status == status
    assert ("Retry-After" in problem.headers) == ("retry_after_s" in refusal.details)


def test_retry_after_is_in_whole_seconds_and_never_none() -> None:
    assert Problem(503, "x", "y", retry_after_s=0.2).headers["Retry-After"] == "1"
    assert Problem(503, "x", "y", retry_after_s=4.2).headers["Retry-After"] == "5"


def test_who_is_not_known_is_told_how() -> None:
    assert problem_of(Unauthorised("no key")).headers["WWW-Authenticate"] == "Bearer"
