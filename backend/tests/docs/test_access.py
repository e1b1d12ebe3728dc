"""docs/access.md, sentence by sentence."""

import json
import re
import sqlite3
from pathlib import Path

import httpx
import pytest

from mainloop.testing.server import Person, ServerProcess, client

from .conftest import Desk

OPEN = {"/api/health", "/api/pair"}


@pytest.mark.spec("access-1")
def test_nothing_is_answered_without_a_sign_in(desk: Desk) -> None:
    with client(desk.server.url) as anybody:
        document = anybody.get("/openapi.json").json()
        for path, verbs in document["paths"].items():
            address = re.sub(r"\{\w+\}", "x", path)
            for verb in verbs:
                answer = anybody.request(verb, address, json={})
                if path in OPEN:
                    assert answer.status_code != 401
                    continue
                # What is malformed may be told so first; nothing is done either way.
                assert answer.status_code in (401, 422), (verb, path)
                if answer.status_code == 401 and not path.startswith("/runner/"):
                    assert "mainloop pair" in answer.json()["detail"]


@pytest.mark.spec("access-2")
def test_a_link_works_once_and_for_ten_minutes(desk: Desk) -> None:
    made = json.loads(desk.server.run("pair", "--json").stdout)
    assert made["url"] == f"{desk.server.url}/pair#{made['code']}"
    Person(desk.server.url, made["code"]).http.close()
    again = httpx.post(f"{desk.server.url}/api/pair", json={"code": made["code"]})
    assert (again.status_code, again.json()["code"]) == (400, "bad_pairing_code")
    late = json.loads(desk.server.run("pair", "--json").stdout)["code"]
    table = sqlite3.connect(desk.server.home / "mainloop.db", timeout=30)
    with table:
        table.execute("UPDATE pairing SET expires_at = datetime(expires_at, '-11 minutes')")
    table.close()
    answer = httpx.post(f"{desk.server.url}/api/pair", json={"code": late})
    assert (answer.status_code, "older than ten minutes" in answer.json()["detail"]) == (400, True)


@pytest.mark.spec("access-3")
def test_cookie_or_key_alone_opens_nothing(desk: Desk) -> None:
    url = f"{desk.server.url}/api/state"
    key = {"X-Mainloop-Key": desk.me.http.headers["X-Mainloop-Key"]}
    (cookie,) = [c for c in desk.me.http.cookies.jar if c.name == "mainloop_device"]
    sent = {"Cookie": f"mainloop_device={cookie.value}"}
    assert httpx.get(url, headers=sent).status_code == 401
    assert httpx.get(url, headers=key).status_code == 401
    assert httpx.get(url, headers={**sent, "X-Mainloop-Key": "x"}).status_code == 401
    assert httpx.get(url, headers={**sent, **key}).status_code == 200
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "strict"


@pytest.mark.spec("access-4")
def test_a_revoked_device_is_told_how_to_sign_in_again(desk: Desk) -> None:
    other = desk.person()
    ids = [d["id"] for d in desk.me.get("/api/devices")["devices"]]
    assert other.device["id"] in ids
    assert desk.me.http.delete(f"/api/devices/{other.device['id']}").status_code == 204
    answer = other.http.get("/api/state")
    assert (answer.status_code, answer.json()["code"]) == (401, "device_revoked")
    assert "mainloop pair" in answer.json()["detail"]


@pytest.mark.spec("access-5")
def test_foreign_names_and_origins_are_refused(desk: Desk) -> None:
    foreign = desk.me.http.get("/api/health", headers={"Host": "evil.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (421, "wrong_host")
    write = desk.me.http.post("/api/sessions", json={}, headers={"Origin": "https://evil.example"})
    assert (write.status_code, write.json()["code"]) == (403, "wrong_origin")
    assert "access-control-allow-origin" not in write.headers


@pytest.mark.spec("access-6")
def test_what_lies_in_the_database_opens_nothing(desk: Desk) -> None:
    code = json.loads(desk.server.run("pair", "--json").stdout)["code"]
    secrets = [code, desk.me.http.headers["X-Mainloop-Key"], desk.me.http.cookies["mainloop_device"]]
    stored = b"".join(path.read_bytes() for path in desk.server.home.glob("mainloop.db*"))
    assert desk.me.device["id"].encode() in stored
    for secret in secrets:
        assert secret.encode() not in stored


@pytest.mark.spec("access-7")
def test_a_forged_token_of_a_runner_is_refused(desk: Desk) -> None:
    answer = httpx.get(f"{desk.server.url}/runner/v1/work", headers={"Authorization": "Bearer forged"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_run")
    assert httpx.get(f"{desk.server.url}/runner/v1/work").status_code == 401


@pytest.mark.spec("access-8")
def test_a_second_server_and_a_taken_port_are_refused_in_words(desk: Desk, ground: Path) -> None:
    second = ServerProcess(desk.server.home)
    done = second.run("up")
    assert done.returncode == 1
    assert f"Another mainloop server already runs on {desk.server.home}" in done.stderr
    assert "Traceback" not in done.stderr
    third = ServerProcess(ground / "third")
    third.home.mkdir()
    taken = third.run("up", "--port", str(desk.server.port))
    assert taken.returncode == 1
    assert f"Port {desk.server.port}" in taken.stderr
