"""Who may come in."""

import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from mainloop.access.service import CODE_LASTS, COOKIE, HEADER, new_code
from mainloop.db import tables as t
from mainloop.events.unit import Database, now
from mainloop.testing.inprocess import InProcessServer


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Nothing here depends on the database."""
    return request.param


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def pair(server: InProcessServer, code: str) -> httpx.Response:
    with server.anonymous() as browser:
        return browser.post("/api/pair", json={"code": code})


def aged(database: Database, by: timedelta) -> None:
    """Let every pairing code be older."""
    earlier = now() + CODE_LASTS - by
    database.write(lambda unit: unit.execute(sa.update(t.pairing).values(expires_at=earlier)) and None)


def test_a_pairing_code_opens_once_and_for_ten_minutes(server: InProcessServer) -> None:
    database = server.parts.database
    code = new_code(database)
    aged(database, timedelta(minutes=9, seconds=50))
    assert pair(server, code).status_code == 200
    assert code_of(pair(server, code)) == (400, "bad_pairing_code")

    late = new_code(database)
    aged(database, timedelta(minutes=10))
    assert code_of(pair(server, late)) == (400, "bad_pairing_code")
    assert "mainloop pair" in pair(server, late).json()["detail"]


def test_what_is_no_code_opens_nothing(server: InProcessServer) -> None:
    new_code(server.parts.database)
    for wrong in ("x", "%", "' or 1=1 --", "\x00", "x" * 200):
        assert code_of(pair(server, wrong)) == (400, "bad_pairing_code")
    for malformed in ("", "x" * 201):
        assert code_of(pair(server, malformed)) == (422, "bad_input")


def test_cookie_and_key_open_together_and_neither_alone(server: InProcessServer) -> None:
    answer = pair(server, new_code(server.parts.database))
    cookie, key = answer.cookies[COOKIE], answer.json()["key"]
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags
    assert cookie != key
    other = pair(server, new_code(server.parts.database))
    for headers, status in (
        ({}, 401),
        ({"Cookie": f"{COOKIE}={cookie}"}, 401),
        ({HEADER: key}, 401),
        ({"Cookie": f"{COOKIE}={cookie}", HEADER: other.json()["key"]}, 401),
        ({"Cookie": f"{COOKIE}={key}", HEADER: cookie}, 401),
        ({"Cookie": f"{COOKIE}={cookie}", HEADER: key}, 200),
    ):
        with server.anonymous(**headers) as browser:
            got = browser.get("/api/state")
        assert got.status_code == status, headers
        if status == 401:
            assert got.json()["code"] == "not_signed_in"
            assert "mainloop pair" in got.json()["detail"]


def test_every_route_of_the_api_wants_the_sign_in(server: InProcessServer) -> None:
    document = server.app.openapi()
    open_to_all = {("get", "/api/health"), ("post", "/api/pair")}
    asked = 0
    with server.anonymous() as stranger:
        for path, verbs in document["paths"].items():
            for verb in verbs:
                if (verb, path) in open_to_all:
                    continue
                answer = stranger.request(verb.upper(), re.sub(r"{\w+}", "0" * 40, path), json={})
                expected = "unknown_run" if path.startswith("/runner/") else "not_signed_in"
                assert (answer.status_code, answer.json()["code"]) == (401, expected), (verb, path)
                asked += 1
    assert asked > 20


def test_a_device_that_was_signed_out_is_told_so_and_others_stay(server: InProcessServer) -> None:
    laptop, phone = server.person, server.pair()
    listed = laptop.get("/api/devices")["devices"]
    assert [(d["id"], d["this"]) for d in listed] == [(laptop.device["id"], True), (phone.device["id"], False)]
    assert laptop.http.delete(f"/api/devices/{phone.device['id']}").status_code == 204
    assert laptop.http.delete(f"/api/devices/{phone.device['id']}").status_code == 204
    for request in (phone.http.get("/api/state"), phone.http.post("/api/sessions", json={"id": "x", "prompt": "y"})):
        assert code_of(request) == (401, "device_revoked")
        assert "mainloop pair" in request.json()["detail"]
    assert [d["id"] for d in laptop.get("/api/devices")["devices"]] == [laptop.device["id"]]
    assert code_of(laptop.http.delete("/api/devices/nobody")) == (404, "unknown_device")
    assert laptop.http.delete(f"/api/devices/{laptop.device['id']}").status_code == 204
    assert code_of(laptop.http.get("/api/state")) == (401, "device_revoked")


def test_secrets_are_stored_as_hashes_only(server: InProcessServer) -> None:
    code = new_code(server.parts.database)
    answer = pair(server, code)
    secrets = [code, answer.cookies[COOKIE], answer.json()["key"]]
    rows: list[Any] = server.parts.database.read(
        lambda c: [str(tuple(row)) for table in (t.device, t.pairing) for row in c.execute(sa.select(table))]
    )
    assert len(rows) >= 2
    assert not [secret for secret in secrets if secret in json.dumps(rows)]


def test_a_device_has_a_name_a_person_recognises(server: InProcessServer) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
    for headers, given, shown in (
        ({"User-Agent": agent}, {}, "Chrome on Linux"),
        ({"User-Agent": "curl/8"}, {}, "browser"),
        ({}, {"name": "  my phone "}, "my phone"),
        ({}, {"name": "\x00😀"}, "\ufffd😀"),
    ):
        with server.anonymous(**headers) as browser:
            answer = browser.post("/api/pair", json={"code": new_code(server.parts.database), **given})
        assert answer.status_code == 200, answer.text
        assert shown in [d["name"] for d in server.person.get("/api/devices")["devices"]]
