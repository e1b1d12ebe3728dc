"""A server that may tell, a clock that goes ahead, and a service that browsers would be told by."""

from collections.abc import Generator

import pytest

from mainloop.attention import service
from mainloop.testing.clock import Clock
from mainloop.testing.inprocess import InProcessServer, NewServer
from mainloop.testing.push_service import PushService


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, service)


@pytest.fixture
def push() -> Generator[PushService]:
    with PushService() as service:
        yield service


@pytest.fixture
def server(new_server: NewServer) -> InProcessServer:
    return new_server(reachable="127.0.0.1")
