"""What a page loads is small on the line; streams are not held back."""

from mainloop.testing.inprocess import InProcessServer


def test_what_is_loaded_whole_is_compressed_for_who_takes_that(server: InProcessServer) -> None:
    for number in range(8):
        server.person.post("/api/sessions", {"id": f"session-{number}", "prompt": "Look into it. " * 20})
    http = server.person.http
    small = http.get("/api/state", headers={"accept-encoding": "gzip"})
    plain = http.get("/api/state", headers={"accept-encoding": "identity"})
    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert small.json().keys() == plain.json().keys()
    assert int(small.headers["content-length"]) < int(plain.headers["content-length"]) / 3


def test_a_stream_and_what_is_short_go_as_they_are(server: InProcessServer) -> None:
    http = server.person.http
    with http.stream("GET", "/api/events", headers={"accept-encoding": "gzip"}) as stream:
        assert "content-encoding" not in stream.headers
    assert "content-encoding" not in http.get("/api/health", headers={"accept-encoding": "gzip"}).headers
