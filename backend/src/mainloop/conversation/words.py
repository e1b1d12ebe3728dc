"""What the person's own words decide. `docs/decisions/0012-answers-by-words.md` says why it is read this narrowly.

Nothing here asks a model: the main thread's agent says what it takes the person to mean, and this compares that with
what stands there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mainloop.errors import BadInput
from mainloop_models.asks import Answer, Decision, Question, QuestionAsk

# What names the deed in a message that grants, by kind of item.
_DEEDS: Final = {
    Decision.ALLOW: frozenset({"allow", "permit"}),
    Decision.APPROVE: frozenset({"approve", "accept"}),
}
# What may stand beside it: nothing that changes what is granted, how often, or when.
_BESIDE: Final = frozenset(
    [
        "yes",
        "yep",
        "yeah",
        "ok",
        "okay",
        "sure",
        "please",
        "go",
        "ahead",
        "and",
        "i",
        "it",
        "that",
        "this",
        "the",
        "its",
        "once",
        "just",
        "now",
        "for",
        "of",
        "in",
        "command",
        "call",
        "permission",
        "request",
        "plan",
        "session",
        "thanks",
    ]
)
# Never taken for the name of a session in such a message, whatever it is called.
_AGAINST: Final = frozenset(
    [
        "no",
        "not",
        "never",
        "dont",
        "don't",
        "deny",
        "stop",
        "refuse",
        "reject",
        "forbid",
        "wait",
        "cancel",
        "unless",
        "if",
    ]
)
# What a sentence has to say where it decides against something, or about what went wrong.
_SAYS: Final = {
    Decision.DENY: re.compile(
        r"\b(no|not|never|don't|dont|deny|denied|refuse|reject|forbid|stop|must not|mustn't|shouldn't)\b", re.I
    ),
    Decision.RETRY: re.compile(r"\b(again|retry|go on|continue|resume|nudge|restart)\b", re.I),
    Decision.DISMISS: re.compile(r"\b(dismiss|skip|drop|ignore|leave|forget|give up|never mind|you decide)\b", re.I),
}
# A sentence that says one of these about an option does not plainly choose it.
_DENIES: Final = re.compile(r"\b(no|not|never|none|nor|neither|without|except|but|\w+n't|dont|avoid|if|unless)\b", re.I)
_TOKEN: Final = re.compile(r"[^\W_][\w'-]*")
_FENCED: Final = re.compile(r"^[ \t]*(```|~~~).*?(^[ \t]*\1|\Z)", re.S | re.M)
_QUOTED: Final = re.compile(r"^[ \t]*>.*$", re.M)
_SENTENCE_ENDS: Final = re.compile(r"(?<=[.!?])[ ]+|\n")


@dataclass(frozen=True)
class Message:
    """A message of the person: its id, its text, and the sentences of it that answered something already."""

    id: str
    text: str
    used: Sequence[str] = ()

    @property
    def words(self) -> str:
        """What the person wrote there themselves and has not decided anything with: no quotation, no code."""
        own = _plain(_QUOTED.sub("\n", _FENCED.sub("\n", self.text)))
        for sentence in self.used:
            own = own.replace(sentence, "\n", 1)
        return own

    def names(self, handle: str) -> bool:
        """Whether a session is named in it."""
        return handle.casefold() in _tokens(self.text)

    def sentence(self, quote: str) -> str | None:
        """The whole sentences in which `quote` stands, word for word, however it is spaced or capitalised."""
        wanted = _plain(quote).split()
        if not wanted:
            return None
        words = self.words
        spaced = r"\s+".join(map(re.escape, wanted))
        found = re.search(rf"(?<!\w){spaced}(?!\w)", words, re.I)
        if found is None:
            return None
        ends = [0, *(m.end() for m in _SENTENCE_ENDS.finditer(words)), len(words)]
        start = max(end for end in ends if end <= found.start())
        stop = min(end for end in ends if end >= found.end())
        return words[start:stop].strip()


def grants(message: Message, decision: Decision, handle: str) -> bool:
    """Whether the whole message is nothing but this grant, with the session's name or without.

    It has to name the deed: a mere yes may answer something else that was asked.
    """
    if message.used or not re.fullmatch(r"[\w\s'.,!:;`()-]+", text := _plain(message.text)):
        return False
    name = {handle.casefold()} - _AGAINST
    tokens = _tokens(text)
    return bool(tokens & _DEEDS[decision]) and tokens <= _DEEDS[decision] | _BESIDE | name


def decides(message: Message, decision: Decision, quote: str) -> str:
    """The sentence in which the person decides this. Raises BadInput."""
    sentence = message.sentence(quote)
    if sentence is None:
        raise BadInput(what=f"The person's message of this turn does not say “{_short(quote)}” in words of their own.")
    if "?" in sentence:
        raise BadInput(what=f"“{_short(sentence)}” is a question, no answer.")
    says = _SAYS.get(decision)
    if says is not None and not says.search(sentence):
        raise BadInput(what=f"“{_short(sentence)}” does not plainly say {decision.value}.")
    return sentence


def answers(message: Message, ask: QuestionAsk, given: dict[str, str | list[str]]) -> tuple[Answer, str]:
    """What the person answered to the questions of an ask, and the sentences it stands in. Raises BadInput.

    Each part of an answer stands in the message. An option is chosen where its sentence denies nothing; else the
    sentence itself is the answer.
    """
    found: dict[str, str | list[str]] = {}
    sentences: list[str] = []
    asked = {question.question: question for question in ask.questions}
    for text, value in given.items():
        parts = value if isinstance(value, list) else [value]
        question = asked.get(text)
        if question is None:
            raise BadInput(what=f"This was not asked: {_short(text)}")
        if len(parts) > 1 and not question.multi_select:
            raise BadInput(what=f"Only one answer fits: {_short(text)}")
        stands_in = [decides(message, Decision.ANSWER, part) for part in parts]
        sentences += [sentence for sentence in stands_in if sentence not in sentences]
        chosen = [_chosen(question, part, sentence) for part, sentence in zip(parts, stands_in, strict=True)]
        found[text] = chosen if isinstance(value, list) else chosen[0]
    words = " … ".join(sentences)
    whole = {str(part).casefold() for part in found.values()}
    # The session's agent reads the sentence too: what was cut out of it can't change its meaning.
    text = "" if words.casefold().strip(" .!") in whole or words.casefold() in whole else words
    return Answer(decision=Decision.ANSWER, answers=found, text=text), words


def fits_only(ask: QuestionAsk, others: Sequence[QuestionAsk], given: dict[str, str | list[str]]) -> bool:
    """Whether all that was chosen are options of this ask and of no other."""
    mine, theirs = _labels([ask]), _labels(others)
    chosen = {part.casefold() for value in given.values() for part in (value if isinstance(value, list) else [value])}
    return bool(chosen) and chosen <= mine - theirs


def _labels(asks: Sequence[QuestionAsk]) -> set[str]:
    return {option.label.casefold() for ask in asks for question in ask.questions for option in question.options}


def _chosen(question: Question, part: str, sentence: str) -> str:
    label = next((o.label for o in question.options if o.label.casefold() == part.casefold().strip()), None)
    if label is None or _DENIES.search(re.sub(re.escape(label), "", sentence, flags=re.I)):
        return sentence
    return label


def _plain(text: str) -> str:
    """One space between words, one break between lines, one kind of apostrophe."""
    lines = (" ".join(line.split()) for line in text.replace("\u2019", "'").splitlines())
    return "\n".join(line for line in lines if line)


def _tokens(text: str) -> set[str]:
    return {token.casefold() for token in _TOKEN.findall(_plain(text))}


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}…"
