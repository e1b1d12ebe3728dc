"""What only the person can decide, and how they answer. A kind of ask is one file here and one line below."""

from typing import Annotated, Any, Final, cast, get_args

from pydantic import ConfigDict, Discriminator, Tag

from mainloop_models.asks.base import Allow, Answer, Ask, Decision, Deny, Evidence, Value, refusal, spoken
from mainloop_models.asks.form import FormAsk, NotAForm, form_of
from mainloop_models.asks.permission import PermissionAsk
from mainloop_models.asks.plan import PlanAsk
from mainloop_models.asks.question import Option, Question, QuestionAsk


class UnknownAsk(Ask):
    """Of a kind that only a newer version knows: shown by its title, dismissed or left."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str


def _kind_of(value: Any) -> str:
    kind = cast("dict[str, Any]", value).get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if kind in ASKS else "unknown"


AskBody = Annotated[
    Annotated[QuestionAsk, Tag("question")]
    | Annotated[PlanAsk, Tag("plan")]
    | Annotated[PermissionAsk, Tag("permission")]
    | Annotated[FormAsk, Tag("form")]
    | Annotated[UnknownAsk, Tag("unknown")],
    Discriminator(_kind_of),
]
# Each kind by its name, as the lines above say.
ASKS: Final[dict[str, type[Ask]]] = {
    tag.tag: ask for ask, tag in map(get_args, get_args(get_args(AskBody)[0])) if ask is not UnknownAsk
}

__all__ = [
    "ASKS",
    "Allow",
    "Answer",
    "Ask",
    "AskBody",
    "Decision",
    "Deny",
    "Evidence",
    "FormAsk",
    "NotAForm",
    "Option",
    "PermissionAsk",
    "PlanAsk",
    "Question",
    "QuestionAsk",
    "UnknownAsk",
    "Value",
    "form_of",
    "refusal",
    "spoken",
]
