"""What the documents say about the code is true."""

import importlib
import json
import pkgutil
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

import mainloop
from mainloop.errors import MainloopError
from mainloop.plugins import Slot, installed
from mainloop.settings import Settings
from mainloop_agent.agents import KINDS as AGENT_KINDS
from mainloop_models.asks import Decision
from mainloop_models.events import KINDS, ItemBody, MessageStatus, SessionState, TurnOutcome

ROOT = Path(__file__).resolve().parents[3]
GUIDES = [ROOT / "backend/src/mainloop/workspaces", ROOT / "backend/src/mainloop/sandboxes"]
GUIDES.append(ROOT / "backend/src/mainloop/forges")
GUIDES.append(ROOT / "claude-agent/src/mainloop_agent/agents")
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "bench").glob("*.md"),
        *(folder / "AGENTS.md" for folder in GUIDES),
    ]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```", re.S)
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def words(path: str) -> str:
    return (ROOT / path).read_text()


def anchors(document: Path) -> set[str]:
    """The fragments that a heading can be reached by."""
    titles = re.findall(r"^#+ (.+)$", CODE.sub("", document.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(CODE.sub("", document.read_text())):
        if re.match(r"^[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{name(document)} links to {link}"
        assert not fragment or fragment in anchors(target), f"{name(document)} links to {link}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_no_document_names_a_folder_of_one_machine_or_an_index_of_packages(document: Path) -> None:
    text = document.read_text()
    for pattern in (r"/work/", r"/root/", r"/tmp/\w", r"pypi\.org", r"npmjs\.", r"/simple\b", r"registry\.\w+\.\w+"):
        found = re.search(pattern, text)
        assert not found, f"{name(document)}: {found and found.group()}"


def test_every_document_can_be_reached_from_the_readme() -> None:
    seen, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        document = todo.pop()
        if document in seen:
            continue
        seen.add(document)
        for link in LINK.findall(document.read_text()):
            target = (document.parent / link.partition("#")[0]).resolve()
            todo += sorted(target.glob("*.md")) if target.is_dir() else [target] if target.suffix == ".md" else []
    missing = [name(d) for d in DOCUMENTS if d not in seen and d.name != "AGENTS.md"]
    assert not missing


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `MAINLOOP_(\w+)` \| ([^|]*) \|", words("docs/settings.md"), re.M))
    fields = Settings.model_fields
    assert {key.lower() for key in rows} == set(fields)
    for key, told in rows.items():
        default = fields[key.lower()].default
        if isinstance(default, bool | int | float) or (isinstance(default, str) and default):
            shown = f"{default:g}" if isinstance(default, float) else str(default).lower()
            assert told.strip() == f"`{shown}`", key


def test_the_example_of_settings_names_only_what_there_is() -> None:
    named = re.findall(r"^#?(MAINLOOP_\w+)=(.*)$", words(".env.example"), re.M)
    for key, value in named:
        field = Settings.model_fields[key.removeprefix("MAINLOOP_").lower()]
        assert not value or value == str(field.default), key


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "AGENTS.md", "docs/development.md"])
def test_every_make_target_that_is_named_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", words("Makefile"), re.M))
    used = set(re.findall(r"(?:`|^)make ([a-z][\w-]*)", words(document), re.M))
    assert used <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_command_of_the_program_that_is_named_exists(document: Path) -> None:
    there = set(re.findall(r'commands\.add_parser\("(\w+)"', words("backend/src/mainloop/main.py")))
    used = set(re.findall(r"(?:`|\.venv/bin/)mainloop ([a-z]+)\b", document.read_text()))
    assert used <= there


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_script_that_is_named_exists(document: Path) -> None:
    for path in re.findall(r"\b((?:scripts|bench|backend/tests)/[\w/]+(?:\.\w+)*)", document.read_text()):
        assert (ROOT / path).exists() or path == "bench/results/latest.md", f"{name(document)}: {path}"


def errors() -> list[type[MainloopError]]:
    for module in pkgutil.walk_packages(mainloop.__path__, "mainloop."):
        if not module.name.startswith("mainloop.testing"):
            importlib.import_module(module.name)
    found, todo = list[type[MainloopError]](), [MainloopError]
    while todo:
        kind = todo.pop()
        found.append(kind)
        todo += kind.__subclasses__()
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_sentence_of_its_own(kind: type[MainloopError]) -> None:
    sentence = (vars(kind).get("__doc__") or "").strip()
    assert sentence, kind
    assert sentence.endswith((".", "}")), f"{kind.__name__}: {sentence}"
    assert 400 <= kind.status < 600
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.code)


def test_every_error_has_a_code_of_its_own() -> None:
    public = [kind for kind in errors() if not kind.__name__.startswith("_")]
    twice = [code for code, count in Counter(kind.code for kind in public).items() if count > 1]
    assert not twice


def test_every_slot_has_an_interface_adapters_a_contract_suite_and_a_guide() -> None:
    suites = "\n".join(path.read_text() for path in (ROOT / "backend/tests").rglob("test_*contract*.py"))
    for slot in get_args(Slot):
        folder = ROOT / "backend/src/mainloop" / slot
        if not (folder / "base.py").exists():
            assert not installed(slot), f"{slot} has adapters and no interface"
            continue
        assert (folder / "AGENTS.md").exists(), slot
        assert f"mainloop.testing.contracts.{slot}" in suites, f"no contract suite of {slot}"
        for adapter in installed(slot):
            assert re.search(rf"\b{adapter}\b", suites), f"{adapter} of {slot} does not run through its contract suite"


def test_every_agent_kind_is_documented_and_runs_through_the_contract_suite() -> None:
    suite = "\n".join(path.read_text() for path in (ROOT / "claude-agent/tests").rglob("*contract*.py"))
    for kind in AGENT_KINDS:
        assert f"| `{kind}` |" in words("docs/agents.md")
        assert re.search(rf'"{kind}"', suite), f"{kind} does not run through the agents' contract suite"


def test_the_glossary_has_every_word_that_the_product_stores() -> None:
    text = words("docs/glossary.md")
    item = ItemBody.model_fields
    stored = [
        *SessionState,
        *KINDS,
        *Decision,
        *MessageStatus,
        *get_args(TurnOutcome),
        *get_args(item["kind"].annotation),
        *get_args(item["state"].annotation),
        *AGENT_KINDS,
        *installed("workspaces"),
        *installed("sandboxes"),
    ]
    missing = [str(word) for word in stored if f"`{word}`" not in text]
    assert not missing


def test_the_glossary_has_the_table_of_states() -> None:
    states = importlib.import_module("mainloop.sessions.states")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", words("docs/glossary.md"), re.M)
    told = {state: set(re.findall(r"`(\w+)`", after)) for state, after in rows}
    assert told == {state.value: {s.value for s in after} for state, after in states.ALLOWED.items()}


def test_every_decision_has_the_five_headings() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(d.name[:4]) for d in decisions] == list(range(1, len(decisions) + 1))
    for decision in decisions[1:]:  # the first is a protocol, written down whole
        assert re.findall(r"^## (.+)$", decision.read_text(), re.M) == HEADINGS, decision.name


def shipped_packages() -> set[str]:
    """Direct dependencies of what runs at a user's: Python packages and the page."""
    found: set[str] = set()
    for path in ("models", "backend", "claude-agent"):
        project = tomllib.loads(words(f"{path}/pyproject.toml"))["project"]
        found |= {re.split(r"[^\w.-]", dependency)[0] for dependency in project["dependencies"]}
    for path in ("frontend", "packages/ui", "packages/api-client"):
        found |= set(json.loads(words(f"{path}/package.json")).get("dependencies", {}))
    return {package for package in found if not package.startswith(("mainloop-", "@mainloop/"))}


def test_every_package_that_ships_has_a_reason() -> None:
    text = words("docs/decisions/0010-libraries.md")
    missing = sorted(package for package in shipped_packages() if f"`{package}`" not in text)
    assert not missing


def test_the_api_is_described_route_by_route_in_the_architecture() -> None:
    document = json.loads(words("packages/api-client/openapi.json"))
    text = words("docs/architecture.md") + words("docs/decisions/0001-runner.md")
    told = re.sub(r"\{\w+\}", "{}", text)
    missing: list[str] = []
    for path in document["paths"]:
        plain = re.sub(r"\{\w+\}", "{}", path)
        # `cancel｜close｜park｜resume` share a row, and so do verbs of one address.
        head, _, last = plain.rpartition("/")
        if plain not in told and not re.search(rf"{re.escape(head)}/[\w｜]*\b{re.escape(last)}\b", told):
            missing.append(path)
    assert not missing
