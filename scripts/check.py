"""`make check`: everything that reads the code without running it, all of it, then a verdict.

With names as arguments, only those: `.venv/bin/python scripts/check.py ruff pyright`.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".venv" / "bin"
NODE = str(PROGRAMS / "node")
# Our own Node comes before the machine's.
ENVIRONMENT = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}"}
# No check takes this long; one that hangs is named.
LIMIT = 600


def cached(name: str) -> list[str]:
    """Options of a program of Node's that reads only what has changed since it last looked."""
    return ["--cache", "--cache-strategy=content", f"--cache-location=node_modules/.cache/checked-{name}"]


CHECKS = {
    "ruff": [".venv/bin/ruff", "check", "."],
    "ruff format": [".venv/bin/ruff", "format", "--check", "."],
    "pyright": [NODE, "node_modules/pyright/index.js"],
    "lint-imports": [".venv/bin/lint-imports", "--no-logo"],
    "svelte-check": [".venv/bin/npm", "run", "--silent", "check", "-w", "frontend"],
    "gallery": [".venv/bin/npm", "run", "--silent", "check", "-w", "packages/ui"],
    "e2e": [".venv/bin/npm", "run", "--silent", "check", "-w", "e2e"],
    "eslint": [NODE, "node_modules/eslint/bin/eslint.js", ".", "--max-warnings", "0", *cached("eslint")],
    "prettier": [NODE, "node_modules/prettier/bin/prettier.cjs", ".", "--check", *cached("prettier")],
    "api": ["scripts/api", "--check"],
}


@dataclass(frozen=True)
class Outcome:
    name: str
    passed: bool
    seconds: float
    output: str


def main() -> int:
    chosen = sys.argv[1:] or list(CHECKS)
    unknown = [name for name in chosen if name not in CHECKS]
    if unknown:
        print(f"There is no check {unknown[0]}. There are: {', '.join(CHECKS)}.")
        return 2
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes: list[Outcome] = []
        for outcome in pool.map(run, chosen):
            print(
                f"{'ok    ' if outcome.passed else 'FAILED'} {outcome.name} ({outcome.seconds:.1f} s)",
                flush=True,
            )
            outcomes.append(outcome)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        print(f"\n--- {outcome.name} ---\n{outcome.output.strip()}")
    if failed:
        print(f"\nFailed: {', '.join(outcome.name for outcome in failed)}.")
    return 1 if failed else 0


def run(name: str) -> Outcome:
    began = time.monotonic()
    try:
        done = subprocess.run(
            CHECKS[name],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(name, False, LIMIT, f"It did not end within {LIMIT} seconds.")
    return Outcome(name, done.returncode == 0, time.monotonic() - began, done.stdout)


if __name__ == "__main__":
    sys.exit(main())
