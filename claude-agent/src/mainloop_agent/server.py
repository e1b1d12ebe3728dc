"""The runner's only connection to the world: five routes, asked until they answer.

A server that is away costs nothing but time: every call repeats, from 0.1 up to 5 seconds apart, until it is answered
or refused. Refused means that this run is over: a newer one exists, or the token is not its own.
"""

import asyncio
import logging
from contextlib import suppress
from typing import TypeVar

import httpx

from mainloop_models.base import Model
from mainloop_models.runner import Deltas, DeltasTaken, Hello, Receipt, Reports, Welcome, Work

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# The server holds a poll for 25 s.
POLL_SECONDS = 40.0
REFUSALS = (401, 403, 409)
NOT_FOUND = 404

Answer = TypeVar("Answer", bound=Model)


class Refused(Exception):
    """The server does not want this run any more: kill the agent and end."""


class Server:
    def __init__(self, address: str, token: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url=address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(30, connect=5),
            trust_env=False,
            # Loading certificates takes as long as everything else at a runner's start; in the clear there are none.
            verify=httpx.URL(address).scheme != "http",
        )

    async def hello(self, hello: Hello) -> Welcome:
        return await self._ask("POST", "hello", Welcome, body=hello)

    async def send(self, reports: Reports) -> Receipt:
        return await self._ask("POST", "reports", Receipt, body=reports)

    async def work(self, seen: str) -> Work:
        """Everything that is open, at once if it is not what was seen."""
        return await self._ask("GET", "work", Work, query={"seen": seen}, timeout=POLL_SECONDS)

    async def deltas(self, deltas: Deltas) -> DeltasTaken | None:
        """Tried once: pieces that don't arrive are sent again with what follows them."""
        return await self._try("POST", "deltas", DeltasTaken, body=deltas)

    async def attachment(self, message: str, attachment: str) -> bytes | None:
        """A file that came with a message; None where the server has none."""
        pause = FIRST_PAUSE
        while True:
            with suppress(httpx.TransportError):
                response = await self._http.get(f"/runner/v1/messages/{message}/attachments/{attachment}")
                if response.status_code in REFUSALS:
                    raise Refused(f"attachment: {response.status_code} {response.text[:200]}")
                if response.is_success:
                    return response.content
                if response.status_code == NOT_FOUND:
                    return None
                log.warning("attachment answered %s: %s", response.status_code, response.text[:500])
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(
        self,
        method: str,
        route: str,
        answer: type[Answer],
        body: Model | None = None,
        query: dict[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Answer:
        pause = FIRST_PAUSE
        while True:
            found = await self._try(method, route, answer, body, query, timeout)
            if found is not None:
                return found
            if pause == FIRST_PAUSE:
                log.info("%s: the server is away; trying until it answers", route)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _try(
        self,
        method: str,
        route: str,
        answer: type[Answer],
        body: Model | None = None,
        query: dict[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Answer | None:
        try:
            response = await self._http.request(
                method,
                f"/runner/v1/{route}",
                content=None if body is None else body.model_dump_json(),
                params=query,
                headers={"Content-Type": "application/json"},
                timeout=httpx.Timeout(timeout, connect=5),
            )
            if response.status_code in REFUSALS:
                raise Refused(f"{route}: {response.status_code} {response.text[:200]}")
            if response.is_success:
                return answer.model_validate_json(response.content)
            log.warning("%s answered %s: %s", route, response.status_code, response.text[:500])
        except httpx.TransportError as error:
            log.debug("%s: %s", route, error)
        except ValueError as error:
            log.warning("%s: an answer that can't be read: %s", route, str(error)[:500])
        return None
