"""The demo's server comes up on its own settings, and says why when it does not."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from streaming.local_server import ServerNotReady, local_server

pytestmark = pytest.mark.timeout(150)  # a start has its own, shorter limit


def test_it_is_ready_whatever_the_environment_says_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_API_KEYS", "a-key-of-sixteen-letters")
    monkeypatch.setenv("WINNOW_MAX_SESSIONS", "nonsense")
    monkeypatch.setenv("WINNOW_NO_SUCH_SETTING", "1")
    with local_server("identity") as (url, ready):
        assert url.startswith("ws://127.0.0.1:")
        assert ready["model"] == "identity"
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url.replace("ws", "http", 1) + "/healthz", timeout=2)


def test_a_server_that_does_not_start_is_quoted() -> None:
    with pytest.raises(ServerNotReady, match="no_such_model"), local_server("no_such_model"):
        pytest.fail("there is no such model")
