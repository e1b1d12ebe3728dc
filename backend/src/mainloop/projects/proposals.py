"""Which commands would set a project up and test it, by the files at its top. They are proposed, never run by themselves."""

import json
import re
from typing import Any, cast

from mainloop.projects.mirror import Mirror
from mainloop.projects.schemas import Proposal

# Lock files say with which program a project is installed; the first that is there counts.
_NODE = {
    "pnpm-lock.yaml": ("pnpm install --frozen-lockfile", "pnpm test"),
    "yarn.lock": ("yarn install --immutable", "yarn test"),
    "bun.lock": ("bun install --frozen-lockfile", "bun run test"),
    "package-lock.json": ("npm ci", "npm test"),
    "package.json": ("npm install", "npm test"),
}
_PYTHON = {
    "uv.lock": ("uv sync", "uv run pytest"),
    "poetry.lock": ("poetry install", "poetry run pytest"),
    "requirements.txt": (
        "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
        ".venv/bin/python -m pytest",
    ),
    "pyproject.toml": ("python3 -m venv .venv && .venv/bin/pip install -e .", ".venv/bin/python -m pytest"),
}
_OTHERS = {
    "go.mod": ("go mod download", "go test ./..."),
    "Cargo.toml": ("cargo fetch", "cargo test"),
    "Gemfile": ("bundle install", "bundle exec rake test"),
    "pom.xml": ("mvn -q dependency:resolve", "mvn -q test"),
    "gradlew": ("", "./gradlew test"),
    "mix.exs": ("mix deps.get", "mix test"),
}
_SET_UP_TARGETS = ("install", "setup", "bootstrap", "deps")
_TEST_TARGETS = ("test", "check")


def proposals(mirror: Mirror, commit: str) -> tuple[list[Proposal], list[Proposal]]:
    """For set-up and for test, the likeliest first."""
    names = mirror.files_at(commit)
    set_up: list[Proposal] = []
    test: list[Proposal] = []
    if "Makefile" in names:
        targets = re.findall(r"^([A-Za-z][\w-]*):(?!=)", mirror.text_at(commit, "Makefile"), re.MULTILINE)
        set_up += [Proposal(command=f"make {name}", because="Makefile") for name in _SET_UP_TARGETS if name in targets]
        test += [Proposal(command=f"make {name}", because="Makefile") for name in _TEST_TARGETS if name in targets]
    if (file := next((file for file in _NODE if file in names), None)) is not None:
        install, run = _NODE[file]
        set_up.append(Proposal(command=install, because=file))
        if "test" in _scripts(mirror.text_at(commit, "package.json")):
            test.append(Proposal(command=run, because="package.json"))
    if (file := next((file for file in _PYTHON if file in names), None)) is not None:
        install, run = _PYTHON[file]
        set_up.append(Proposal(command=install, because=file))
        test.append(Proposal(command=run, because=file))
    for file, (install, run) in _OTHERS.items():
        if file in names:
            set_up += [Proposal(command=install, because=file)] if install else []
            test.append(Proposal(command=run, because=file))
    return set_up, test


def _scripts(text: str) -> dict[str, Any]:
    try:
        package: Any = json.loads(text)
        scripts = package["scripts"]
    except (ValueError, KeyError, TypeError):
        return {}
    return cast("dict[str, Any]", scripts) if isinstance(scripts, dict) else {}
