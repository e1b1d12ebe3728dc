"""Whom a runner talks to."""

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest

from mainloop_agent.server import Server
from mainloop_models.runner import Deltas


@pytest.fixture
def forged(tmp_path: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = f"-keyout {key} -out {certificate} -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    new = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    subprocess.run([*new.split(), *made.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
async def test_a_server_that_nobody_vouches_for_is_told_nothing(forged: ssl.SSLContext, scheme: str) -> None:
    told: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0, ssl=forged) as listening:
        port = listening.sockets[0].getsockname()[1]
        server = Server(f"{scheme}://127.0.0.1:{port}", "a token")
        assert await server.deltas(Deltas(thread_id="main", run=1, deltas=[])) is None
        await server.close()
    assert told == []
