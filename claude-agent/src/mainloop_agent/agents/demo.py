"""What the scripted agent says and does in the demo: a conversation that shows mainloop without an account.

It says so wherever it speaks. A script is a list of steps in the language of `agents/scripted.py`.
"""

import re
from collections.abc import Sequence
from typing import Any

Step = dict[str, Any]

# The pace of somebody who types well.
PACE: Step = {"words": True, "chunk_delay": 0.035}
QUESTION, PERMISSION = "[demo: question]", "[demo: permission]"
GREETING = re.compile(
    r"^\W*(hi|hello|hey|good (morning|evening|day)|thanks|thank you|help|who are you|what (is|can|are)\b.*)", re.I
)


def main_steps(text: str, context: Sequence[str], tools: Sequence[str]) -> list[Step]:
    """The main thread: a friendly answer, or work handed to two sessions."""
    if context:
        return [_say(_results(context))]
    if GREETING.match(text) or len(text.split()) < 3:
        return [_say(HELLO)]
    if "spawn_session" not in tools:
        return [_say("*Demo.* I would start two sessions for this now, but this installation lets me start none.")]
    topic = _topic(text)
    sessions = [
        {"title": f"Research: {topic}", "prompt": f"{QUESTION} {text}"},
        {"title": f"Try it out: {topic}", "prompt": f"{PERMISSION} {text}"},
    ]
    return [
        {
            **_say(
                "*Demo: no model is running, I only show how it works.*\n\n"
                f"For “{topic}” I'll start two sessions side by side: one looks into it and will have a question "
                "for you, the other tries something out and will need your permission for a command."
            ),
            "tools": [{"name": "spawn_session", "input": session} for session in sessions],
        },
        {
            "delay": 0.5,
            **_say(
                "Both are running. You can go on writing to me, look into either of them, or wait: what they need "
                "from you appears under **Needs you**, and their results come back here."
            ),
        },
    ]


def session_steps(text: str, first: bool, tools: Sequence[str]) -> list[Step]:
    """A session: a few steps of work with one thing that only the person can decide, then a report."""
    if not first:
        words = " ".join(text.split())[:200]
        return [_say(f"*Demo.* You wrote: “{words}”. A real agent would go on from there.")]
    if text.startswith(QUESTION):
        return _with_question(text.removeprefix(QUESTION).strip(), tools)
    return _with_permission(text.removeprefix(PERMISSION).strip(), tools)


def _with_question(task: str, tools: Sequence[str]) -> list[Step]:
    topic = _topic(task)
    question = {
        "question": "How deep should I go?",
        "header": "Depth",
        "multiSelect": False,
        "options": [
            {"label": "An overview", "description": "Half a page, the main points only"},
            {"label": "In detail", "description": "Every option with its trade-offs"},
        ],
    }
    return [
        {
            **_say(f"*Demo.* I look into “{topic}”. First what is here."),
            "tools": [_todo(0), _use("Bash", command="ls -la")],
        },
        {"delay": 0.8, **_say("A few notes to begin with."), "tools": [_note(f"# {topic}\n\n- what is known\n")]},
        {
            "delay": 0.8,
            **_say("One thing I can't decide alone."),
            "tools": [_use("AskUserQuestion", questions=[question])],
        },
        {"delay": 0.6, "thinking": "The person has chosen; the rest follows from it.", "tools": [_todo(1)]},
        {"delay": 0.9, "tools": [_note(f"# {topic}\n\n- what is known\n- what was chosen\n"), _todo(2)]},
        *_report(f"Looked into “{topic}” as deep as you wanted; the notes are in `notes.md`.", tools),
    ]


def _with_permission(task: str, tools: Sequence[str]) -> list[Step]:
    topic = _topic(task)
    return [
        {**_say(f"*Demo.* I try something out for “{topic}”."), "tools": [_todo(0)]},
        {"delay": 1.0, "tools": [_note(f"# Trying out {topic}\n")]},
        {
            "delay": 1.0,
            **_say("This command writes a file, so I ask first."),
            "tools": [_use("Bash", command="date > tried.txt && cat tried.txt", description="Note when it was tried")],
        },
        {"delay": 0.6, **_say("It answered:\n\n```\n{{result}}\n```"), "tools": [_todo(2)]},
        *_report(f"Tried something out for “{topic}”. What the command said is in the session.", tools),
    ]


def _report(text: str, tools: Sequence[str]) -> list[Step]:
    report = (
        [{"delay": 0.5, "tools": [_use("report", text=f"Demo: {text}", outcome="done")]}] if "report" in tools else []
    )
    return [*report, _say(f"Done. {text}")]


def _results(context: Sequence[str]) -> str:
    found = "\n".join(f"> {line}" for text in context for line in text.strip().splitlines()[:4])
    return f"*Demo.* News from the sessions:\n\n{found}"


def _say(text: str) -> Step:
    return {"text": text, **PACE}


def _use(name: str, **given: Any) -> Step:
    return {"name": name, "input": given}


def _note(text: str) -> Step:
    return _use("Write", file_path="notes.md", content=text)


def _todo(done: int) -> Step:
    steps = ["Look around", "Decide what matters", "Write it down"]
    states = ["completed" if i < done else "in_progress" if i == done else "pending" for i in range(len(steps))]
    if done >= 2:
        states = ["completed"] * len(steps)
    entries = [{"content": s, "activeForm": s, "status": state} for s, state in zip(steps, states, strict=True)]
    return _use("TodoWrite", todos=entries)


def _topic(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 48 else f"{words[:47].rsplit(' ', 1)[0]}…"


HELLO = (
    "Hello! *This is the demo: no model is running and no account is needed.*\n\n"
    "This is the one conversation on top. You tell me what you want to get done; I start **sessions** that work in the "
    "background, each with a workspace of its own, and I bring their results back here. What only you can decide waits "
    "under **Needs you**, for as long as it takes.\n\n"
    "Tell me about some work to see it happen, for example: *compare two ways to store our photos*."
)
