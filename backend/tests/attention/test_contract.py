"""Every notifier through the slot's contract suite."""

from collections.abc import Generator
from typing import Any, Final

import pytest

from mainloop import plugins
from mainloop.notifiers.base import Notifier, Setup, Target
from mainloop.testing.contracts.notifiers import NotifierContract
from mainloop.testing.push_service import PushService

ANSWERS: Final = {"busy": 429, "broken": 503, "gone": 410}


class Pushed:
    def __init__(self, service: PushService) -> None:
        self._service = service
        self._browser = service.browser("phone")
        given = self._browser.subscription
        self.target: Target = {"endpoint": given["endpoint"], **given["keys"]}

    def got(self) -> list[dict[str, Any]]:
        return self._browser.got

    def next_answers(self, answer: str) -> None:
        self._browser.answers.append(ANSWERS[answer])

    def away(self) -> None:
        self._service.close()


class TestWebPush(NotifierContract):
    def make(self, setup: Setup) -> Notifier:
        return plugins.make_notifier("web_push", setup)

    @pytest.fixture
    def world(self) -> Generator[Pushed]:
        with PushService() as service:
            yield Pushed(service)
