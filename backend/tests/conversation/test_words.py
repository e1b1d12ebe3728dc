"""What the person's words decide, and what they do not: the narrow reading of docs/decisions/0012."""

import pytest

from mainloop.conversation.words import Message, answers, decides, grants
from mainloop.errors import BadInput
from mainloop_models.asks import Decision, Option, Question, QuestionAsk


@pytest.mark.spec("desk-4")
@pytest.mark.parametrize(
    "text",
    [
        "allow",
        "Allow it.",
        "Yes, please allow fir-tree!",
        "OK, go ahead and permit the command of fir-tree",
        "  allow\n\n`fir-tree`  ",
        "yes. allow it just this once",
    ],
)
def test_a_message_that_says_nothing_else_grants(text: str) -> None:
    assert grants(Message("m", text), Decision.ALLOW, "fir-tree")
    assert not grants(Message("m", text), Decision.APPROVE, "fir-tree")


@pytest.mark.spec("desk-4")
@pytest.mark.parametrize(
    "text",
    [
        # Not the deed, or a yes to something else.
        *("yes", "ok", "go ahead", "do it", "sounds good", "fir-tree", "run it", "approve it"),
        # Against it, or only in some case.
        *("don't allow it", "Don\u2019t allow it", "do not allow it", "never allow it", "no, allow nothing"),
        *(
            "allow it if the tests pass",
            "allow it unless it deletes something",
            "allow it tomorrow",
            "wait, then allow it",
        ),
        # A question.
        *("allow it?", "should I allow it", "can you allow it", "what would allow it do"),
        # More than this once, more than this one.
        *(
            "always allow it",
            "allow it always",
            "allow everything",
            "allow all of them",
            "allow both",
            "allow it from now on",
        ),
        # Something else stands beside it.
        *("allow it and tell oak to stop", "allow ls", "The session says: allow it", "> allow it\nwhat does it mean"),
        *(
            "allow oak-tree",
            "I will not allow it",
            "disallow it",
            "allow it <b>",
            "allow it 👍",
            "allow it $(rm -rf ~)",
        ),
        *("> fir-tree: allow it\n\nlook at this", "```\nallow it\n```\nis what it wrote", '"allow it"x'),
        "",
    ],
)
def test_what_says_anything_else_grants_nothing(text: str) -> None:
    assert not grants(Message("m", text), Decision.ALLOW, "fir-tree")


@pytest.mark.spec("desk-4")
@pytest.mark.parametrize("handle", ["not", "never", "dont", "no", "if", "unless", "deny"])
def test_a_session_that_is_called_a_refusal_turns_no_refusal_into_a_grant(handle: str) -> None:
    assert not grants(Message("m", f"{handle} allow it"), Decision.ALLOW, handle)


@pytest.mark.spec("desk-4", "desk-6")
def test_a_message_that_decided_something_grants_nothing_more() -> None:
    assert not grants(Message("m", "allow it", ["allow it"]), Decision.ALLOW, "fir-tree")


def question(*options: str, multi: bool = False) -> QuestionAsk:
    return QuestionAsk(
        questions=[Question(question="Which?", multi_select=multi, options=[Option(label=o) for o in options])]
    )


@pytest.mark.spec("desk-3")
@pytest.mark.parametrize(
    ("text", "given", "chosen", "beside"),
    [
        ("left", "left", "left", ""),
        ("Left.", "left", "left", ""),
        ("Take the  LEFT\none, please", "left", "left", "Take the LEFT"),
        ("Not the left one", "left", "Not the left one", ""),
        ("I'd go left, but ask fir first", "left", "I'd go left, but ask fir first", ""),
        ("Whatever is quicker. And stop oak.", "whatever is quicker", "Whatever is quicker.", ""),
    ],
)
def test_a_question_is_answered_by_what_stands_in_the_message(text: str, given: str, chosen: str, beside: str) -> None:
    answer, said = answers(Message("m", text), question("left", "right"), {"Which?": given})
    assert (answer.answers, answer.text) == ({"Which?": chosen}, beside)
    assert chosen.casefold() in said.casefold()


@pytest.mark.spec("desk-3")
@pytest.mark.parametrize(
    ("text", "given", "why"),
    [
        ("go on", "left", "does not say"),
        ("leftover", "left", "does not say"),
        ("What is left?", "left", "a question"),
        ("It wrote:\n> left\nI have not decided", "left", "does not say"),
        ("```\nleft\n```", "left", "does not say"),
        ("left, please", "right", "does not say"),
        ("left", "", "does not say"),
        ("left", " ", "does not say"),
    ],
)
def test_what_does_not_stand_there_answers_nothing(text: str, given: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        answers(Message("m", text), question("left", "right"), {"Which?": given})


@pytest.mark.spec("desk-3")
def test_several_are_chosen_where_the_question_takes_several() -> None:
    message = Message("m", "the red one and the blue one")
    answer, _ = answers(message, question("red", "green", "blue", multi=True), {"Which?": ["red", "blue"]})
    assert answer.answers == {"Which?": ["red", "blue"]}
    with pytest.raises(BadInput, match="Only one"):
        answers(message, question("red", "green", "blue"), {"Which?": ["red", "blue"]})
    with pytest.raises(BadInput, match="not asked"):
        answers(message, question("red", "blue"), {"Who?": "red"})


@pytest.mark.spec("desk-6")
def test_the_same_sentence_answers_one_thing_only() -> None:
    message = Message("m", "Left for fir. Left for oak.", ["Left for fir."])
    assert decides(message, Decision.ANSWER, "left") == "Left for oak."
    with pytest.raises(BadInput, match="does not say"):
        decides(Message("m", message.text, ["Left for fir.", "Left for oak."]), Decision.ANSWER, "left")


@pytest.mark.spec("desk-5")
@pytest.mark.parametrize(
    ("decision", "text", "plain"),
    [
        (Decision.DENY, "No, not on a Friday.", True),
        (Decision.DENY, "Sounds good.", False),
        (Decision.RETRY, "Try it again please", True),
        (Decision.RETRY, "What a pity", False),
        (Decision.DISMISS, "Skip it", True),
        (Decision.DISMISS, "Look at it", False),
        (Decision.REVISE, "Look twice before step two", True),
    ],
)
def test_a_refusal_has_to_be_said(decision: Decision, text: str, plain: bool) -> None:
    if plain:
        assert decides(Message("m", text), decision, text) == text
    else:
        with pytest.raises(BadInput, match=f"does not plainly say {decision.value}"):
            decides(Message("m", text), decision, text)


@pytest.mark.parametrize("text", ["\n" * 200_000, "```\n" * 60_000, "> " * 100_000, "a" * 250_000, "a. " * 80_000])
def test_no_message_is_too_long_to_read(text: str) -> None:
    message = Message("m", text)
    assert message.sentence("nothing of the kind") is None
    assert not grants(message, Decision.ALLOW, "fir")
