"""Forms as tools and agents describe them, and what fits into one."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainloop_models.asks import Answer, Decision, FormAsk, NotAForm, form_of

NAME = {"type": "string", "title": "Name", "minLength": 2, "maxLength": 5}
COUNT = {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}
RATIO = {"type": "number", "minimum": 0.5}
SURE = {"type": "boolean", "default": False}
COLOUR = {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}
SIZES = {"type": "array", "minItems": 1, "maxItems": 2, "items": {"anyOf": [{"const": c, "title": c} for c in "abc"]}}


def form(required: list[str] | None = None, **properties: Any) -> FormAsk:
    return form_of("What for", {"type": "object", "properties": properties, "required": required or []})


def wrong(ask: FormAsk, **values: Any) -> str | None:
    return ask.misfit(Answer(decision=Decision.ANSWER, values=values))


def test_every_type_of_field_is_read_with_its_title_limits_default_and_choices() -> None:
    ask = form(["name"], name=NAME, count=COUNT, ratio=RATIO, sure=SURE, colour=COLOUR, sizes=SIZES)
    read = {f.name: (f.kind, f.required, f.least, f.most, f.default) for f in ask.fields}
    assert read == {
        "name": ("text", True, 2, 5, None),
        "count": ("integer", False, 1, 9, 3),
        "ratio": ("number", False, 0.5, None, None),
        "sure": ("boolean", False, None, None, False),
        "colour": ("choice", False, None, None, None),
        "sizes": ("choices", False, 1, 2, None),
    }
    assert [(c.value, c.title) for c in ask.fields[4].choices] == [("r", "Red"), ("g", "Green")]
    assert wrong(ask, name="Anna", count=2, ratio=1, sure=True, colour="g", sizes=["a", "c"]) is None


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (NAME, "A", "Name: at least 2 characters are needed."),
        (NAME, "Annabel", "Name: at most 5 characters fit."),
        (NAME, 7, "Name: this takes a text."),
        (COUNT, 2.5, "it: this takes a whole number."),
        (COUNT, "2", "it: this takes a number."),
        (COUNT, True, "it: this takes a number."),
        (COUNT, 0, "it: at least 1."),
        (COUNT, 10, "it: at most 9."),
        (RATIO, 0.25, "it: at least 0.5."),
        (RATIO, float("inf"), "it: this takes a number."),
        (SURE, "yes", "it: say yes or no."),
        (COLOUR, "Red", "it: choose one of r, g."),
        (SIZES, ["a", "d"], "it: choose among a, b, c, each once."),
        (SIZES, ["a", "a"], "it: choose among a, b, c, each once."),
        (SIZES, ["a", "b", "c"], "it: choose at most 2."),
        (SIZES, [], "it: choose at least 1."),
        ({"type": "string", "format": "email"}, "me@", "it: this is no e-mail address."),
        ({"type": "string", "format": "uri"}, "example", "it: this is no address, like https://example.org."),
        ({"type": "string", "format": "date"}, "14.3.2026", "it: this is no date, like 2026-03-14."),
        (
            {"type": "string", "format": "date-time"},
            "soon",
            "it: this is no date with a time, like 2026-03-14T09:26:53Z.",
        ),
        ({"type": "string"}, "a" * 10_001, "it: at most 10000 characters fit."),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_a_sentence(field: dict[str, Any], value: Any, sentence: str) -> None:
    assert wrong(form(it=field), it=value) == sentence


@pytest.mark.parametrize(
    ("format_", "value"),
    [
        ("email", "me@example.org"),
        ("uri", "https://example.org/a"),
        ("date", "2026-03-14"),
        ("date-time", "2026-03-14T09:26:53Z"),
    ],
)
def test_a_text_of_the_right_form_fits(format_: str, value: str) -> None:
    assert wrong(form(it={"type": "string", "format": format_}), it=value) is None


def test_what_is_required_has_to_be_there_and_what_was_not_asked_must_not() -> None:
    ask = form(["name"], name={"type": "string"}, count=COUNT)
    assert wrong(ask, count=2) == "Not filled in yet: name"
    assert wrong(ask, name="") == "Not filled in yet: name"
    assert wrong(ask, name="a", other=1) == "This was not asked: other"
    assert wrong(ask, name="a") is None


def test_a_form_is_declined_or_left_without_values() -> None:
    ask = form(name=NAME)
    for decision in (Decision.DENY, Decision.DISMISS):
        assert ask.misfit(Answer(decision=decision)) is None
        assert ask.misfit(Answer(decision=decision, values={"name": "Anna"})) is not None
    assert ask.misfit(Answer(decision=Decision.ALLOW)) == "A form is answered with one of: answer, deny, dismiss."


def test_a_default_that_does_not_fit_is_left_out() -> None:
    assert form(it={**COUNT, "default": 99}).fields[0].default is None


@pytest.mark.parametrize(
    ("message", "schema", "says"),
    [
        ("", {"type": "object", "properties": {"a": NAME}}, "message"),
        ("M", None, "schema"),
        ("M", {"type": "string"}, "object"),
        ("M", {"type": "object", "properties": {}}, "at least one property"),
        ("M", {"type": "object", "properties": {"a": {"type": "object"}}}, "type object"),
        (
            "M",
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
            "names its choices",
        ),
        ("M", {"type": "object", "properties": {"a": {"type": "string", "enum": []}}}, "between 1 and 200"),
        ("M", {"type": "object", "properties": {f"f{n}": NAME for n in range(31)}}, "30 fields at most"),
        ("M", {"type": "object", "properties": {"a": 7}}, "described by an object"),
    ],
)
def test_what_is_no_form_is_refused_in_a_sentence(message: str, schema: Any, says: str) -> None:
    with pytest.raises(NotAForm, match=says):
        form_of(message, schema)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["string", "number", "integer", "boolean", "array", "object"])
KEYS = ("title", "description", "default", "minimum", "maximum", "minLength", "minItems", "format", "enum", "items")
FIELD = st.fixed_dictionaries({"type": KINDS}, optional=dict.fromkeys(KEYS, JSON))


@given(
    field=FIELD, value=st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400) | st.lists(st.text())
)
def test_whatever_a_schema_and_an_answer_hold_they_fit_or_are_refused_in_a_sentence(field: Any, value: Any) -> None:
    with suppress(NotAForm):
        assert wrong(form(a=field), a=value) != ""


def test_a_form_with_numbers_that_nobody_can_reckon_with_is_refused() -> None:
    with pytest.raises(NotAForm, match="can be reckoned with"):
        form(a={"type": "number", "minimum": 10**400})
    assert form(a={"type": "integer", "default": 10**400}).fields[0].default is None
    assert wrong(form(a={"type": "integer"}), a=10**400) == "a: this takes a number."
