"""A form to fill in: what tools and agents of other protocols ask for as an elicitation.

Their schemas are a small part of JSON Schema: an object, flat, of texts, numbers, yes or no, and choices.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final, Literal, TypeGuard, cast
from urllib.parse import urlsplit

from mainloop_models.asks.base import LONGEST_NAME, Allow, Answer, Ask, Decision, Deny, Value
from mainloop_models.base import Model

MOST_FIELDS: Final = 30
MOST_CHOICES: Final = 200
# Characters of one text, where the form sets no limit of its own.
LONGEST_TEXT: Final = 10_000

Kind = Literal["text", "number", "integer", "boolean", "choice", "choices"]
Format = Literal["email", "uri", "date", "date-time"]


class Choice(Model):
    """One of the values that a field takes, and how it is shown."""

    value: str
    title: str = ""

    @property
    def name(self) -> str:
        return self.title or self.value


class Field(Model):
    """One line of a form; `name` is the key of its value."""

    name: str
    kind: Kind
    title: str = ""
    description: str = ""
    required: bool = False
    # What stands in it before anybody has written.
    default: Value | None = None
    # Of a number: its bounds. Of a text: its length. Of several choices: how many.
    least: float | None = None
    most: float | None = None
    format: Format | None = None
    # Of one or several choices.
    choices: list[Choice] = []

    @property
    def label(self) -> str:
        return (self.title or self.name)[:LONGEST_NAME]

    def misfit(self, value: Value) -> str | None:
        """Why a value does not fit, in a sentence."""
        match self.kind:
            case "text":
                return self._text(value)
            case "number" | "integer":
                return self._number(value)
            case "boolean":
                return None if isinstance(value, bool) else f"{self.label}: say yes or no."
            case "choice":
                if isinstance(value, str) and value in self._values:
                    return None
                return f"{self.label}: choose one of {self._names}."
            case "choices":
                return self._several(value)

    def _text(self, value: Value) -> str | None:
        if not isinstance(value, str):
            return f"{self.label}: this takes a text."
        size, most = len(value), LONGEST_TEXT if self.most is None else self.most
        if self.least is not None and size < self.least:
            return f"{self.label}: at least {_count(self.least, 'character')} are needed."
        if size > most:
            return f"{self.label}: at most {_count(most, 'character')} fit."
        if self.format is not None and not _FORMATS[self.format][0](value):
            return f"{self.label}: this is no {_FORMATS[self.format][1]}."
        return None

    def _number(self, value: Value) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_number(value):
            return f"{self.label}: this takes a number."
        if self.kind == "integer" and value != int(value):
            return f"{self.label}: this takes a whole number."
        if self.least is not None and value < self.least:
            return f"{self.label}: at least {self.least:g}."
        if self.most is not None and value > self.most:
            return f"{self.label}: at most {self.most:g}."
        return None

    def _several(self, value: Value) -> str | None:
        if not _are_texts(value) or not set(value) <= self._values or len(set(value)) != len(value):
            return f"{self.label}: choose among {self._names}, each once."
        if self.least is not None and len(value) < self.least:
            return f"{self.label}: choose at least {self.least:g}."
        if self.most is not None and len(value) > self.most:
            return f"{self.label}: choose at most {self.most:g}."
        return None

    @property
    def _values(self) -> set[str]:
        return {choice.value for choice in self.choices}

    @property
    def _names(self) -> str:
        return ", ".join(choice.value for choice in self.choices)[:LONGEST_NAME]


class FormAsk(Ask):
    """Values to fill in, accepted together; declined (`deny`), or left for now (`dismiss`)."""

    kind: Literal["form"] = "form"
    noun = "A form"
    urgency = 1
    decisions = frozenset({Decision.ANSWER, Decision.DENY, Decision.DISMISS})
    # Values are filled in at the page: words of a sentence are no numbers.
    by_words = frozenset({Decision.DENY, Decision.DISMISS})
    message: str
    fields: list[Field]

    def text(self) -> str:
        return "\n".join((self.message, *(field.label for field in self.fields)))

    def misfit(self, answer: Answer) -> str | None:
        if answer.decision is not Decision.ANSWER:
            return super().misfit(answer)
        if wrong := super().misfit(answer.model_copy(update={"values": {}})):
            return wrong
        fields = {field.name: field for field in self.fields}
        for name in answer.values:
            if name not in fields:
                return f"This was not asked: {name[:LONGEST_NAME]}"
        for name, field in fields.items():
            value = answer.values.get(name)
            if value is None or (value == "" and field.required) or (value == [] and field.required):
                if field.required:
                    return f"Not filled in yet: {field.label}"
            elif wrong := field.misfit(value):
                return wrong
        return None

    def outcome(self, answer: Answer, given: Mapping[str, object], *, ours: bool) -> Allow | Deny:
        action = {Decision.ANSWER: "accept", Decision.DENY: "decline"}.get(answer.decision, "cancel")
        if not ours:  # in the words of the protocols that have forms
            said: dict[str, object] = {"action": action}
            return Allow(input={**given, **said, **({"content": dict(answer.values)} if action == "accept" else {})})
        if action != "accept":
            what = "declined to fill this in" if action == "decline" else "did not fill this in for now"
            return Deny(f"The person {what}{f': {answer.text}' if answer.text else '.'} Go on as you think best.")
        text = json.dumps(answer.values, ensure_ascii=False)
        return Allow(answer=f"{text}\n{answer.text}".strip())

    def shown(self) -> dict[str, object]:
        return {
            "form": self.message,
            "fields": [
                {"field": f.label, "kind": f.kind, "required": f.required, "choices": [c.name for c in f.choices]}
                for f in self.fields
            ],
        }


class NotAForm(ValueError):
    """A schema that is no form, in a sentence for whoever made it."""


def form_of(message: object, schema: object) -> FormAsk:
    """Read a form as agents and tools describe it. Raises NotAForm."""
    if not isinstance(message, str) or not message.strip():
        raise NotAForm("A form has a `message`: what it is for.")
    if not isinstance(schema, dict):
        raise NotAForm("A form has a schema: an object with `properties`.")
    known = cast("dict[str, Any]", schema)
    properties: Any = known.get("properties")
    if known.get("type", "object") != "object" or not isinstance(properties, dict) or not properties:
        raise NotAForm("The schema of a form is an object with at least one property.")
    described = cast("dict[str, Any]", properties)
    if len(described) > MOST_FIELDS:
        raise NotAForm(f"A form has {MOST_FIELDS} fields at most, this one has {len(described)}.")
    given: Any = known.get("required")
    required = cast("list[Any]", given) if isinstance(given, list) else []
    fields = [_field(str(name), one, required=name in required) for name, one in described.items()]
    return FormAsk(message=message, fields=fields)


def _field(name: str, schema: object, *, required: bool) -> Field:
    if not isinstance(schema, dict):
        raise NotAForm(f"The field {name} is described by an object with a `type`.")
    known = cast("dict[str, Any]", schema)
    kind, choices, bounds = _kind(name, known)
    field = Field(
        name=name,
        kind=kind,
        title=_text(known, "title"),
        description=_text(known, "description"),
        required=required,
        least=_bound(known, bounds[0]),
        most=_bound(known, bounds[1]),
        format=cast("Format", _text(known, "format"))
        if kind == "text" and _text(known, "format") in _FORMATS
        else None,
        choices=choices,
    )
    default: Any = known.get("default")
    fits = isinstance(default, str | bool | int | float | list) and field.misfit(cast("Value", default)) is None
    return field.model_copy(update={"default": default}) if fits else field


def _kind(name: str, known: dict[str, Any]) -> tuple[Kind, list[Choice], tuple[str, str]]:
    match known.get("type"):
        case "string" if (choices := _choices(known)) is not None:
            return "choice", _some(name, choices), ("", "")
        case "string":
            return "text", [], ("minLength", "maxLength")
        case "number":
            return "number", [], ("minimum", "maximum")
        case "integer":
            return "integer", [], ("minimum", "maximum")
        case "boolean":
            return "boolean", [], ("", "")
        case "array":
            items: Any = known.get("items")
            choices = _choices(cast("dict[str, Any]", items)) if isinstance(items, dict) else None
            if choices is None:
                raise NotAForm(f"The list {name} names its choices: `items` with `enum`.")
            return "choices", _some(name, choices), ("minItems", "maxItems")
        case other:
            raise NotAForm(
                f"The field {name} has the type {other}; a form takes string, number, integer, boolean and array."
            )


def _choices(known: dict[str, Any]) -> list[Choice] | None:
    """The choices of a field, in each of the ways in which they are written; None where it has none."""
    titled: Any = known.get("oneOf") or known.get("anyOf")
    if isinstance(titled, list):
        entries = [cast("dict[str, Any]", e) for e in cast("list[object]", titled) if isinstance(e, dict)]
        return [Choice(value=str(e["const"]), title=_text(e, "title")) for e in entries if "const" in e]
    plain: Any = known.get("enum")
    if not isinstance(plain, list):
        return None
    names: Any = known.get("enumNames")
    titles = cast("list[Any]", names) if isinstance(names, list) else []
    values = cast("list[Any]", plain)
    return [
        Choice(value=str(value), title=str(titles[at]) if at < len(titles) else "") for at, value in enumerate(values)
    ]


def _some(name: str, choices: list[Choice]) -> list[Choice]:
    if not choices or len(choices) > MOST_CHOICES:
        raise NotAForm(f"The field {name} has between 1 and {MOST_CHOICES} choices.")
    return choices


def _text(known: dict[str, Any], name: str) -> str:
    value: Any = known.get(name)
    return value if isinstance(value, str) else ""


def _bound(known: dict[str, Any], name: str) -> float | None:
    value: Any = known.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not _is_number(value):
        raise NotAForm(f"`{name}` is a number that can be reckoned with.")
    return float(value)


def _is_number(value: float) -> bool:
    """Whether both databases and every reader of JSON take it."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in cast("list[object]", value))


def _count(number: float, what: str) -> str:
    return f"{number:g} {what}{'' if number == 1 else 's'}"


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme and (urlsplit(text).netloc or urlsplit(text).path)) and " " not in text
    except ValueError:
        return False


def _reads(read: Callable[[str], object]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return fits


_FORMATS: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "email": (lambda text: re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", text) is not None, "e-mail address"),
    "uri": (_is_uri, "address, like https://example.org"),
    "date": (lambda text: len(text) == 10 and _reads(date.fromisoformat)(text), "date, like 2026-03-14"),
    "date-time": (_reads(datetime.fromisoformat), "date with a time, like 2026-03-14T09:26:53Z"),
}
