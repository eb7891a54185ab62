"""What a session URL is made of. Resources that run: test_rtc_publisher.py, test_rtc_viewer.py, test_whip.py."""

from __future__ import annotations

import re

import pytest

from streaming.rtc_publisher import Publisher
from streaming.rtc_resource import Resource
from streaming.rtc_viewer import Viewer
from tests.streaming.rtc import offer


class Idle(Resource):
    """Neither opens nor ends anything."""

    async def open(self) -> str:
        """No answer."""
        return ""

    async def end(self, reason: str) -> None:
        """Keep the reason."""
        self.reason = reason


def test_a_url_has_a_secret_of_its_own_and_an_etag_is_strong() -> None:
    one, other = (Idle("name", "key", offer(("audio", True, True))) for _ in range(2))
    assert one.handle == f"name.{one.secret}"
    assert one.secret != other.secret
    assert one.etag != other.etag
    assert len(one.secret) >= 24  # 144 bits
    assert re.fullmatch(r"[\w-]+", one.secret)
    assert re.fullmatch(r'"[\w-]+"', one.etag)
    assert one.reason is None


def test_who_opens_and_ends_nothing_is_no_resource() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Resource("name", "key", offer())  # type: ignore[abstract]
    assert not Publisher.__abstractmethods__
    assert not Viewer.__abstractmethods__
