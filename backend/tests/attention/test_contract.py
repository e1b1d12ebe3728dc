"""Every notifier through the slot's contract suite."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest

from mainloop import plugins
from mainloop.notifiers.base import BadTarget, NotDelivered, Notifier, Setup, Target
from mainloop.outgoing import PrivateAddress
from mainloop.testing.contracts.notifiers import WORD, NotifierContract, setup
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


class Listening:
    """An HTTP server of the person's own on loopback. `reads` makes of a request what was said by it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = world.answers.pop(0) if world.answers else 200
                if status == 200:
                    world.requests.append((dict(self.headers.items()), body))
                self.send_response(status)
                self.send_header("location", world.leads_to)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        # Where it sends those who are to be sent on.
        self.leads_to = ""
        self._server = ThreadingHTTPServer((host, 0), Handler)
        self.place = f"{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def next_answers(self, answer: str) -> None:
        self.answers.append(ANSWERS[answer])

    def away(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Hooked(Listening):
    def __init__(self) -> None:
        super().__init__()
        given = plugins.make_notifier("webhook", setup()).complete({"address": f"http://{self.place}/hook"})
        self.target: Target = given

    def got(self) -> list[dict[str, Any]]:
        """Only what is signed as the specification says."""
        for headers, body in self.requests:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            key = base64.b64decode(self.target["secret"].removeprefix("whsec_"))
            expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
            assert headers["webhook-signature"] == f"v1,{expected}"
        return [json.loads(body) for _, body in self.requests]


class Told(Listening):
    """By Apprise, in its own plain form."""

    def __init__(self) -> None:
        super().__init__()
        self.target: Target = {"address": f"json://{self.place}/told"}

    def got(self) -> list[dict[str, Any]]:
        said = [json.loads(body) for _, body in self.requests]
        return [{"title": one["title"], "text": one["message"]} for one in said]


class TestWebhook(NotifierContract):
    def make(self, setup: Setup) -> Notifier:
        return plugins.make_notifier("webhook", setup)

    @pytest.fixture
    def world(self) -> Generator[Hooked]:
        world = Hooked()
        yield world
        world.away()


class TestApprise(NotifierContract):
    # Apprise does not say why.
    knows_who_is_gone = False

    def make(self, setup: Setup) -> Notifier:
        return plugins.make_notifier("apprise", setup)

    @pytest.fixture
    def world(self) -> Generator[Told]:
        world = Told()
        yield world
        world.away()

    @pytest.mark.spec("attention-16")
    @pytest.mark.parametrize("listed", [True, False])
    def test_a_redirect_is_followed_only_to_where_something_may_be_sent(self, world: Told, listed: bool) -> None:
        behind = Listening("127.0.0.2")
        world.leads_to = f"http://{behind.place}/told"
        world.answers.append(307)
        notifier = self.make(setup(reachable="127.0.0.1,127.0.0.2" if listed else "127.0.0.1"))
        if listed:
            notifier.send(world.target, WORD)
        else:
            with pytest.raises(PrivateAddress):
                notifier.send(world.target, WORD)
        assert len(behind.requests) == listed
        behind.away()

    @pytest.mark.spec("attention-16")
    @pytest.mark.parametrize(
        "address", ["rsyslog://localhost:9", "rsyslog://127.0.0.1:9", "syslog://", "dbus://", "gnome://"]
    )
    def test_no_other_way_out_leads_to_this_machine(self, address: str) -> None:
        notifier = self.make(setup(reachable=""))
        with pytest.raises((PrivateAddress, NotDelivered, BadTarget)):
            notifier.send({"address": address}, WORD)

    def test_an_address_of_several_places_is_refused(self, notifier: Notifier) -> None:
        with pytest.raises(BadTarget, match="several places"):
            notifier.check({"address": "tgram://123456789:abcdefg_hijklmnop/12315544/67890/"})


class TestWebPush(NotifierContract):
    def make(self, setup: Setup) -> Notifier:
        return plugins.make_notifier("web_push", setup)

    @pytest.fixture
    def world(self) -> Generator[Pushed]:
        with PushService() as service:
            yield Pushed(service)
