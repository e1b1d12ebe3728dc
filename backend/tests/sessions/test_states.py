"""The one table of what may follow what, and who a session is recognised by."""

import pytest

from mainloop.errors import NotAllowedNow
from mainloop.sessions.names import CREATURES, HUES, LONGEST_HANDLE, handle_for, looks_for
from mainloop.sessions.states import check_move
from mainloop_models.events import SessionState as S

TABLE = {
    S.STARTING: "working waiting idle in_review failed cancelled done",
    S.WORKING: "waiting idle in_review failed cancelled",
    S.WAITING: "working starting idle in_review failed cancelled done",
    S.IDLE: "starting working in_review done failed cancelled",
    S.IN_REVIEW: "starting working idle done failed cancelled",
    S.FAILED: "starting done",
    S.CANCELLED: "starting done",
    S.DONE: "starting",
}


@pytest.mark.parametrize("old", list(S))
@pytest.mark.parametrize("new", list(S))
def test_a_move_is_allowed_exactly_where_the_table_has_it(old: S, new: S) -> None:
    if new.value in TABLE[old].split():
        check_move(old, new)
        return
    with pytest.raises(NotAllowedNow, match=f"A session that is {old.value.replace('_', ' ')} can't become"):
        check_move(old, new)


@pytest.mark.parametrize(
    ("title", "handle"),
    [
        ("Fix the login page", "fix-login-page"),
        ("Research about the ranking of results", "ranking-results"),
        ("the of and", "the-of-and"),
        ("Überprüfe ÄÖÜ", "uberprufe-aou"),
        ("!!! ???", "session"),
        ("日本語", "session"),
        ("x" * 5000, "x" * LONGEST_HANDLE),
        ("../../etc/passwd; rm -rf /", "etc-passwd-rm-rf"),
    ],
)
def test_a_handle_is_made_of_the_titles_telling_words(title: str, handle: str) -> None:
    assert handle_for(title, set()) == handle


def test_a_handle_is_unlike_every_open_one() -> None:
    taken: set[str] = set()
    for _ in range(12):
        taken.add(handle_for("Fix login", taken))
    assert taken == {"fix-login", *(f"fix-login-{n}" for n in range(2, 13))}


def test_the_first_eight_have_hues_of_their_own_and_nobody_shares_both_hue_and_creature() -> None:
    looks: list[tuple[int, str]] = []
    for _ in range(HUES * len(CREATURES)):
        looks.append(looks_for([hue for hue, _ in looks]))
    assert [hue for hue, _ in looks[:HUES]] == list(range(1, HUES + 1))
    assert len(set(looks)) == HUES * len(CREATURES)
