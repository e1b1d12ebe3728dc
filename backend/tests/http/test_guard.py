"""Which requests are let in at all: own names, own pages, bodies of a size."""

import gzip
import os
import re
import socket
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mainloop.http.page import PageFiles, find_page, policy_of
from mainloop.testing.inprocess import InProcessServer

HELLO = {"id": "message-1", "text": "hello"}


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Nothing here depends on the database."""
    return request.param


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_foreign_host_name_is_refused_whatever_it_resolves_to(server: InProcessServer) -> None:
    person = server.person
    port = server.settings.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.", "[::1", "", "a b"):
        answer = person.http.get("/api/health", headers={"Host": host})
        assert code_of(answer) == (421, "wrong_host"), host
        assert "MAINLOOP_ALLOWED_HOSTS" in answer.json()["detail"]
    for host in ("localhost", f"LOCALHOST:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert person.http.get("/api/health", headers={"Host": host}).status_code == 200, host
    answer = person.http.get("/api/health", headers={"Host": "evil.example", "X-Forwarded-Host": "localhost"})
    assert code_of(answer) == (421, "wrong_host")


def test_a_write_from_another_sites_page_is_refused_even_with_all_secrets(server: InProcessServer) -> None:
    person = server.person
    for origin in ("https://evil.example", "http://localhost.evil.example", "null", "http://[::1", "file://"):
        answer = person.http.post("/api/threads/main/messages", json=HELLO, headers={"Origin": origin})
        assert code_of(answer) == (403, "wrong_origin"), origin
    assert person.state()["queued"] == []
    own = {"Origin": f"http://127.0.0.1:{server.settings.port}"}
    assert person.http.post("/api/threads/main/messages", json=HELLO, headers=own).status_code == 201


def test_no_answer_lets_another_site_read_it(server: InProcessServer) -> None:
    person = server.person
    foreign = {"Origin": "https://evil.example"}
    preflight = {**foreign, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-mainloop-key"}
    answers = [
        person.http.get("/api/state", headers=foreign),
        person.http.options("/api/state", headers=preflight),
        person.http.options("/api/threads/main/messages", headers=preflight),
        person.http.get("/api/nowhere", headers=foreign),
        person.http.get("/api/health", headers=foreign),
    ]
    for answer in answers:
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_body_that_is_too_large_is_refused_with_and_without_a_length(server: InProcessServer) -> None:
    person = server.person

    def pieces() -> Iterator[bytes]:
        yield b'{"id": "message-1", "text": "'
        for _ in range(80):
            yield b"x" * 65536
        yield b'"}'

    whole = person.http.post("/api/threads/main/messages", content=b"x" * (4 * 1024 * 1024 + 1))
    assert code_of(whole) == (413, "request_too_large")
    in_pieces = person.http.post(
        "/api/threads/main/messages", content=pieces(), headers={"Content-Type": "application/json"}
    )
    assert code_of(in_pieces) == (413, "request_too_large")
    assert "4194304 bytes" in in_pieces.json()["detail"]
    assert person.state()["queued"] == []


@pytest.fixture
def raw(server: InProcessServer) -> Generator[socket.socket]:
    with socket.create_connection((server.settings.host, server.settings.port), timeout=10) as connection:
        yield connection


def test_a_length_that_is_no_number_is_refused(server: InProcessServer, raw: socket.socket) -> None:
    raw.sendall(b"POST /api/pair HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12345678901234567890\r\n\r\n")
    assert b" 413 " in raw.recv(200) or b" 400 " in raw.recv(200)
    assert server.person.http.get("/api/health").status_code == 200


def test_an_unknown_address_or_verb_is_a_problem_in_words(server: InProcessServer) -> None:
    answer = server.person.http.get("/api/nowhere")
    assert code_of(answer) == (404, "unknown_route")
    assert "/docs" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert code_of(server.person.http.delete("/api/state")) == (405, "http_405")


def test_documents_need_nothing_from_elsewhere(server: InProcessServer) -> None:
    for path in ("/docs", "/docs/errors"):
        page = server.person.http.get(path)
        assert page.status_code == 200
        assert "http://" not in page.text.replace("http://127.0.0.1", "")
        assert "https://" not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.spec("length-8")
def test_every_file_of_the_page_carries_the_policy_of_its_build(tmp_path: Path) -> None:
    shell = (
        '<meta http-equiv="content-security-policy" content="default-src &#39;self&#39;; '
        "script-src 'self' 'sha256-abc='\"><script>theme()</script>"
    )
    (tmp_path / "index.html").write_text(shell)
    (tmp_path / "a.js").write_text("1")
    app = Starlette()
    app.mount("/", PageFiles(directory=tmp_path))
    with TestClient(app) as client:
        for path in ("/", "/s/some-session", "/a.js"):
            policy = client.get(path, headers={"accept": "text/html"}).headers["content-security-policy"]
            assert policy == "default-src 'self'; script-src 'self' 'sha256-abc='; frame-ancestors 'none'"


@pytest.mark.spec("length-8")
def test_a_page_that_is_replaced_under_the_running_server_brings_its_own_policy(tmp_path: Path) -> None:
    shell = tmp_path / "index.html"
    meta = '<meta http-equiv="content-security-policy" content="script-src {}">'
    shell.write_text(meta.format("'sha256-old='"))
    app = Starlette()
    app.mount("/", PageFiles(directory=tmp_path))
    with TestClient(app) as client:

        def policy() -> str:
            return client.get("/", headers={"accept": "text/html"}).headers["content-security-policy"]

        assert "'sha256-old='" in policy()
        newer = shell.stat().st_mtime_ns + 1
        shell.write_text(meta.format("'sha256-new='"))
        os.utime(shell, ns=(newer, newer))
        assert "'sha256-new='" in policy()


@pytest.mark.spec("length-8")
def test_the_shell_is_small_on_the_line(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>long</p>" * 100)
    (tmp_path / "index.html.gz").write_bytes(gzip.compress(b"<p>long</p>" * 100))
    app = Starlette()
    app.mount("/", PageFiles(directory=tmp_path))
    with TestClient(app) as client:
        answer = client.get("/s/some-session", headers={"accept": "text/html", "accept-encoding": "gzip"})
        assert (answer.headers["content-encoding"], answer.headers["cache-control"]) == ("gzip", "no-cache")
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.text.startswith("<p>long</p>")
        again = {"accept-encoding": "gzip", "accept": "text/html", "if-none-match": answer.headers["etag"]}
        assert client.get("/", headers=again).status_code == 304
        assert client.post("/", headers={"accept": "text/html"}).status_code == 405
        # A new page beside what is left of the old one.
        stood = (tmp_path / "index.html.gz").stat().st_mtime
        (tmp_path / "index.html").write_text("<p>newer</p>")
        os.utime(tmp_path / "index.html", (stood + 3600, stood + 3600))
        assert client.get("/", headers={"accept": "text/html", "accept-encoding": "gzip"}).text == "<p>newer</p>"


@pytest.mark.spec("length-8")
def test_the_built_page_allows_no_script_but_its_own_and_the_hashed() -> None:
    folder = find_page()
    if folder is None:
        pytest.skip("the page is not built")
    policy = policy_of((folder / "index.html").read_text())
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    hashed = re.findall(r"'sha256-[^']+'", rules["script-src"])
    assert rules["script-src"] == " ".join(["'self'", *hashed])
    assert len(hashed) == 2
    assert rules["img-src"] == "'self' data: blob:"
    assert (rules["default-src"], rules["connect-src"], rules["object-src"]) == ("'self'", "'self'", "'none'")
