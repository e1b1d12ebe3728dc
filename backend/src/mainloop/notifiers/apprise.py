"""Every service that Apprise knows: mail, ntfy, Slack, Telegram and a hundred more, each by one address of its own."""

import json
import os
import subprocess
import sys
from typing import Final

from mainloop.notifiers.base import BadTarget, NotDelivered, Notification, Setup, Target
from mainloop.outgoing import PrivateAddress

# A program of its own: in it, and only there, every name that is looked up can be looked at first.
_SENDING: Final = (sys.executable, "-I", "-m", "mainloop.notifiers.apprise_sending")
_PATIENCE: Final = 60
_REST: Final = 60.0


class Apprise:
    def __init__(self, setup: Setup) -> None:
        self._reachable = setup.outgoing.reachable

    def complete(self, target: Target) -> dict[str, str]:
        return dict(target)

    def check(self, target: Target) -> None:
        self._run(target, None)

    def send(self, target: Target, notification: Notification) -> None:
        # What was written somewhere can't be taken back.
        if notification.about != "clear":
            self._run(target, notification)

    def _run(self, target: Target, notification: Notification | None) -> None:
        wanted = {
            "address": target.get("address", ""),
            "reachable": self._reachable,
            "title": notification.title if notification else None,
            "text": notification.text if notification else "",
        }
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        try:
            done = subprocess.run(
                _SENDING,
                input=json.dumps(wanted),
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
                env=environment,
            )
            outcome: dict[str, str] = json.loads(done.stdout)
        except subprocess.TimeoutExpired as error:
            # It may have gone out.
            why = f"the service did not answer within {_PATIENCE} seconds."
            raise NotDelivered(why=why, again=False, reached=False) from error
        except (ValueError, OSError) as error:
            raise NotDelivered(why=f"{type(error).__name__}.", again=True, after=_REST, reached=False) from error
        match outcome["state"]:
            case "bad":
                raise BadTarget(
                    why="this is no address that Apprise knows. Take one from its list, such as ntfy://host/topic."
                )
            case "many":
                # Where one of them fails, the others would be told again.
                raise BadTarget(why="this address names several places. Add a way for each of them.")
            case "private":
                raise PrivateAddress(host=outcome["why"])
            case "failed" | "away":
                reached = outcome["state"] == "failed"
                why = outcome["why"] or "the service did not take it."
                raise NotDelivered(why=why, again=True, after=_REST, reached=reached)
            case _:
                return
