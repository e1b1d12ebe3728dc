"""`make storm`: a thousand kills, and what was lost, doubled or stuck afterwards. How: README.md in this folder.

python bench/storm.py [--kills 1000] [--seed 1] [--agent claude]
"""

import argparse
import platform
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mainloop.testing.kills import Model
from mainloop.testing.server import ServerProcess
from mainloop.testing.storm import Storm, Toll, Weather

RESULTS: Final = Path(__file__).resolve().parent / "results" / "storm.md"
# Kills after which the books are read and everything begins anew: a page of them is read whole.
ONE: Final = 100
BUSY: Final = {"MAINLOOP_MAX_STARTS_PER_DAY": "10000", "MAINLOOP_MAX_ALIVE": "50"}


def rage(agent: str, seed: int, kills: int) -> Toll:
    """One storm over a home of its own. The home stays where something was wrong."""
    # Not below /tmp, which a sandboxed agent sees as its own.
    home = Path(tempfile.mkdtemp(prefix="mainloop-storm-", dir="/var/tmp"))
    model = Model() if agent == "claude" else None
    server = ServerProcess(home, {"MAINLOOP_AGENT": agent, **BUSY, **(model.environment if model else {})})
    try:
        toll = Storm(server.start(), Weather(seed=seed, kills=kills, pause=0.5, model=model)).rage()
    finally:
        server.stop()
        if model:
            model.close()
    if toll.wrong:
        print(f"Something was wrong; everything is still there: {home}", *toll.wrong, sep="\n  ", flush=True)
    else:
        shutil.rmtree(home)
    return toll


def table(agent: str, tolls: list[Toll]) -> str:
    """The figures of all storms together."""
    killed = sum((toll.killed for toll in tolls), start=type(tolls[0].killed)())
    figures: dict[str, object] = {
        "kills": f"{killed.total()} ({', '.join(f'{who} {count}' for who, count in sorted(killed.items()))})",
        "messages accepted, all finished": sum(toll.said for toll in tolls),
        "turns, of them cut off": f"{sum(toll.turns for toll in tolls)}, {sum(toll.cut_off for toll in tolls)}",
        "asks answered": sum(toll.answered for toll in tolls),
        "results": sum(toll.results for toll in tolls),
        "commands that ran, each once": sum(toll.commands for toll in tolls),
        "runs": sum(toll.runs for toll in tolls),
        "events, seen by two browsers": sum(toll.events for toll in tolls),
        "minutes": f"{sum(toll.seconds for toll in tolls) / 60:.0f}",
        "lost, doubled, stuck or left over": sum(len(toll.wrong) for toll in tolls),
    }
    head = f"Agent `{agent}`, {len(tolls)} storms, {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}"
    return "\n".join([head, "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in figures.items())])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--agent", default="claude", choices=["claude", "scripted"])
    given = parser.parse_args()
    tolls: list[Toll] = []
    left = given.kills
    while left > 0:
        tolls.append(rage(given.agent, given.seed + len(tolls), min(left, ONE)))
        left -= tolls[-1].killed.total()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(table(given.agent, tolls) + "\n")
        print(f"{given.kills - max(left, 0)} of {given.kills} kills, {len(tolls[-1].wrong)} wrong", flush=True)
    print(f"\n{RESULTS.read_text()}")
    return 1 if any(toll.wrong for toll in tolls) else 0


if __name__ == "__main__":
    sys.exit(main())
