"""The person's keys of the page."""

import pytest

from mainloop.testing.inprocess import InProcessServer


@pytest.mark.spec("page-11")
def test_what_was_changed_is_on_every_device_at_once_and_can_be_taken_back(server: InProcessServer) -> None:
    person, other = server.person, server.pair()
    assert person.state()["person"]["keys"] is None
    with other.follow(other.state()["cursor"]) as follower:
        person.put("/api/keys", {"keys": {"snooze": "s", "chat": "g h"}})
        news = follower.until(lambda name, _: name == "keys")[-1][2]
    assert news["keys"] == {"snooze": "s", "chat": "g h"}
    assert other.state()["person"]["keys"] == {"snooze": "s", "chat": "g h"}
    person.put("/api/keys", {"keys": {}})
    # That none is changed any more is not that none ever was: a browser's own from before do not come back.
    assert other.state()["person"]["keys"] == {}
    assert person.http.put("/api/keys", json={"keys": {"snooze": "s" * 41}}).status_code == 422
