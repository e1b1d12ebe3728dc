"""What the runner decides by itself about a tool call, and what it asks the person."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainloop_agent.policy import READING, Ask, Rules, ToolCall, Verdict
from mainloop_models.asks import Allow, Answer, Decision, Deny, PermissionAsk, PlanAsk, QuestionAsk
from mainloop_models.runner import Policy


def rules(folder: Path, confined: bool = True, **policy: Any) -> Rules:
    for name in ("ws", "home/.claude/plans"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Rules(
        workspace=folder / "ws",
        agent_home=folder / "home",
        policy=Policy(**policy),
        confined=confined,
        ours={"report": "request", "ask": "ask"},
    )


def judge(rules: Rules, name: str, ours: bool = False, planning: bool = False, **given: Any) -> Verdict:
    return rules.judge(ToolCall("toolu_1", name, given, ours=ours, planning=planning))


@pytest.mark.parametrize("name", sorted(READING))
def test_reading_tools_are_allowed(name: str, tmp_path: Path) -> None:
    assert judge(rules(tmp_path), name) == Allow()


def test_an_unknown_tool_is_asked_with_all_of_its_input(tmp_path: Path) -> None:
    verdict = judge(rules(tmp_path), "Teleport", to="Mars", at=[1, {"two": 3}])
    assert isinstance(verdict, Ask)
    assert isinstance(verdict.body, PermissionAsk)
    assert verdict.body.input == {"to": "Mars", "at": [1, {"two": 3}]}


@pytest.mark.parametrize("name", ["Write", "Edit", "MultiEdit"])
def test_edits_below_the_workspace_are_allowed(name: str, tmp_path: Path) -> None:
    for path in (str(tmp_path / "ws" / "a" / "b.py"), "b.py"):
        assert judge(rules(tmp_path), name, file_path=path) == Allow()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "a/../../x", "~/x", "~root/x", ".git/hooks/pre-commit", "sub/.git/config", "", "a\0b"],
)
def test_edits_elsewhere_are_never_allowed_unasked(path: str, tmp_path: Path) -> None:
    assert not isinstance(judge(rules(tmp_path), "Write", file_path=path), Allow)


def test_an_ask_names_the_workspace_and_a_file_of_it_behind_every_link(tmp_path: Path) -> None:
    """So that a standing permission for a path speaks of the file that is changed."""
    held = rules(tmp_path, edits="ask")
    (tmp_path / "ws" / "docs").mkdir()
    (tmp_path / "ws" / "link").symlink_to("docs")
    (tmp_path / "ws" / "out").symlink_to(tmp_path)
    (tmp_path / "ws" / "hidden").symlink_to(".git")
    for path, inside in (
        ("docs/a.md", "docs/a.md"),
        (str(tmp_path / "ws" / "docs" / "a.md"), "docs/a.md"),
        ("link/a.md", "docs/a.md"),
        ("out/a.md", None),
        ("../a.md", None),
        (".git/config", None),
        ("hidden/config", None),
    ):
        verdict = judge(held, "Write", file_path=path)
        assert isinstance(verdict, Ask)
        assert isinstance(verdict.body, PermissionAsk)
        assert (verdict.body.path, verdict.body.workspace) == (inside, str(tmp_path / "ws")), path


def test_a_link_out_of_the_workspace_is_followed_before_it_is_trusted(tmp_path: Path) -> None:
    held = rules(tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "ws" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "ws" / "file").symlink_to(tmp_path / "outside" / "file")
    (tmp_path / "ws" / "inner").symlink_to("elsewhere")
    assert isinstance(judge(held, "Write", file_path="link/new/x"), Ask)
    assert isinstance(judge(held, "Write", file_path="file"), Ask)
    assert judge(held, "Write", file_path="inner/x") == Allow()


@given(parts=st.lists(st.sampled_from(["..", ".", "a", "/", "//", "~", "link", ".git", "ws", "\n", " "]), max_size=8))
def test_no_spelling_of_a_path_leads_out_of_the_workspace(
    parts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("policy")
    held = rules(folder)
    (folder / "ws" / "link").symlink_to("/")
    path = "/".join(parts)
    if isinstance(judge(held, "Write", file_path=path), Allow):
        real = (folder / "ws" / path).resolve()
        assert real.is_relative_to(folder / "ws")
        assert ".git" not in real.parts


def test_what_a_session_s_shell_reads_at_its_start_is_not_edited_unasked(tmp_path: Path) -> None:
    held = rules(tmp_path)
    for name in (
        ".bashrc",
        ".gitconfig",
        ".claude/settings.json",
        ".claude/shell-snapshots/x.sh",
        ".config/git/config",
    ):
        assert isinstance(judge(held, "Write", file_path=str(tmp_path / "home" / name)), Ask)


def test_edits_are_asked_where_the_person_wants_it(tmp_path: Path) -> None:
    verdict = judge(rules(tmp_path, edits="ask"), "Write", file_path="a.txt", content="x")
    assert isinstance(verdict, Ask)
    assert verdict.title == "Write a.txt"


def test_a_command_that_is_not_known_to_read_is_asked_in_full(tmp_path: Path) -> None:
    command = "npm test; rm -rf ~ # " + "x" * 5000
    verdict = judge(rules(tmp_path), "Bash", command=command)
    assert isinstance(verdict, Ask)
    assert isinstance(verdict.body, PermissionAsk)
    assert verdict.body.command == command
    assert verdict.body.input == {"command": command}
    assert "network" in verdict.body.effect


def test_all_commands_are_allowed_only_inside_a_sandbox(tmp_path: Path) -> None:
    assert judge(rules(tmp_path, commands="allow"), "Bash", command="npm test") == Allow()
    unconfined = judge(rules(tmp_path, confined=False, commands="allow"), "Bash", command="npm test")
    assert isinstance(unconfined, Ask)
    assert isinstance(unconfined.body, PermissionAsk)
    assert "without a sandbox" in unconfined.body.effect


def test_without_a_sandbox_looking_outside_the_workspace_is_asked(tmp_path: Path) -> None:
    held = rules(tmp_path, confined=False)
    assert isinstance(judge(held, "Read", file_path="/etc/passwd"), Ask)
    assert isinstance(judge(held, "Bash", command="cat /etc/passwd"), Ask)
    assert judge(held, "Read", file_path=str(tmp_path / "ws" / "a")) == Allow()
    assert judge(held, "Bash", command=f"cat {tmp_path}/ws/a b/c") == Allow()
    assert judge(held, "Grep", pattern="x") == Allow()
    assert judge(rules(tmp_path), "Read", file_path="/etc/passwd") == Allow()


def test_while_planning_nothing_is_changed(tmp_path: Path) -> None:
    held = rules(tmp_path, commands="allow")
    assert isinstance(judge(held, "Write", planning=True, file_path="a.txt"), Deny)
    assert isinstance(judge(held, "Bash", planning=True, command="npm test"), Deny)
    assert isinstance(judge(held, "Bash", planning=True, command="touch a"), Deny)
    assert isinstance(judge(held, "Teleport", planning=True), Deny)
    assert judge(held, "Bash", planning=True, command="git log") == Allow()
    plan = str(tmp_path / "home/.claude/plans/a-plan.md")
    assert judge(held, "Write", planning=True, file_path=plan, content="# Plan") == Allow()


def test_a_plan_is_shown_under_its_first_line(tmp_path: Path) -> None:
    verdict = judge(rules(tmp_path), "ExitPlanMode", planning=True, plan="\n# Make it fast\n1. measure")
    assert isinstance(verdict, Ask)
    assert isinstance(verdict.body, PlanAsk)
    assert verdict.title == "Make it fast"
    assert verdict.body.plan.endswith("1. measure")


def test_questions_are_read_in_both_spellings(tmp_path: Path) -> None:
    given: list[Any] = [
        {"question": "A?", "multiSelect": True, "options": [{"label": "x", "description": "d", "preview": "p"}]},
        {"question": "B?", "multi_select": True, "options": ["y"]},
        "C?",
    ]
    verdict = judge(rules(tmp_path), "ask", ours=True, questions=given)
    assert isinstance(verdict, Ask)
    assert isinstance(verdict.body, QuestionAsk)
    assert [q.question for q in verdict.body.questions] == ["A?", "B?", "C?"]
    assert [q.multi_select for q in verdict.body.questions] == [True, True, False]
    assert verdict.body.questions[0].options[0].preview == "p"


@pytest.mark.parametrize("questions", [None, [], "text", [{}], [{"question": 3}], [7]])
def test_a_question_that_is_none_is_refused_in_words(questions: object, tmp_path: Path) -> None:
    assert isinstance(judge(rules(tmp_path), "AskUserQuestion", questions=questions), Deny)


def test_of_our_tools_those_of_this_thread_are_allowed(tmp_path: Path) -> None:
    held = rules(tmp_path)
    assert judge(held, "report", ours=True, text="x") == Allow()
    assert isinstance(judge(held, "spawn_session", ours=True), Deny)
    assert isinstance(judge(held, "report"), Ask)


def test_a_sub_agent_s_permission_names_it(tmp_path: Path) -> None:
    verdict = rules(tmp_path).judge(ToolCall("t", "Bash", {"command": "make"}, subagent="a1"))
    assert isinstance(verdict, Ask)
    assert isinstance(verdict.body, PermissionAsk)
    assert verdict.body.subagent == "a1"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(decision=Decision.ANSWER, values={"n": 2}), {"action": "accept", "content": {"n": 2}}),
        (Answer(decision=Decision.DENY), {"action": "decline"}),
        (Answer(decision=Decision.DISMISS), {"action": "cancel"}),
    ],
)
def test_a_form_of_a_protocol_is_asked_and_answered_in_its_own_words(
    tmp_path: Path, answer: Answer, said: dict[str, object]
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    wanted = ToolCall("c", "elicitation", {"message": "How many?", "requestedSchema": schema})
    verdict = rules(tmp_path).judge(wanted)
    assert isinstance(verdict, Ask)
    outcome = verdict.body.outcome(answer, wanted.input, ours=False)
    assert isinstance(outcome, Allow)
    assert outcome.input == {**wanted.input, **said}
