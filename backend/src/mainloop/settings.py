"""What can be set: environment variables `MAINLOOP_…`, or the same names in an `.env` file."""

import contextlib
import getpass
import os
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from tzlocal import get_localzone

# An agent with its runner takes some 130 MB when it is new and up to 350 MB after a hundred calls (measured).
PER_AGENT: Final = 400 * 2**20
FEWEST, MOST = 2, 60
# What a container may use, where it is one.
CGROUP: Final = Path("/sys/fs/cgroup")


def memory() -> int:
    """The bytes of memory of this machine or container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no bound is written as a word
        total = min(total, int((CGROUP / "memory.max").read_text()))
    return total


def available_memory() -> int | None:
    """The bytes of it that could be used right now, caches included; None where the system does not say."""
    try:
        said = Path("/proc/meminfo").read_text()
        free = 1024 * next(int(line.split()[1]) for line in said.splitlines() if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None
    with contextlib.suppress(OSError, ValueError, StopIteration):
        statistics = (CGROUP / "memory.stat").read_text().splitlines()
        cached = next(int(line.split()[1]) for line in statistics if line.startswith("inactive_file "))
        used = int((CGROUP / "memory.current").read_text()) - cached
        free = min(free, int((CGROUP / "memory.max").read_text()) - used)
    return free


def places_for(total: int) -> int:
    """How many agents may work at a time: half of the memory is theirs, the builds and tests they start need the rest."""
    return max(FEWEST, min(MOST, total // 2 // PER_AGENT))


# The most that a ceiling may be: above it, it is a slip of the finger, or none.
MOST_USD: Final = 1_000_000
MOST_TOKENS: Final = 10**12
FEWEST_TOKENS: Final = 1000


def _none(given: object) -> object:
    return None if isinstance(given, str) and given.strip().lower() == "none" else given


def _dollars(given: float | None) -> float | None:
    if given is not None and not 0 < given <= MOST_USD:
        raise ValueError(f"a ceiling is more than 0 and at most {MOST_USD:,} dollars, or none")
    return given


def _tokens(given: int | None) -> int | None:
    if given is not None and not FEWEST_TOKENS <= given <= MOST_TOKENS:
        raise ValueError(f"a ceiling is {FEWEST_TOKENS:,} to {MOST_TOKENS:,} tokens, or none")
    return given


def _time_zone(given: str) -> str:
    if given:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {given}; one is called, say, Europe/Berlin") from None
    return given


Dollars = Annotated[float | None, BeforeValidator(_none), AfterValidator(_dollars)]
Tokens = Annotated[int | None, BeforeValidator(_none), AfterValidator(_tokens)]


class Settings(BaseSettings):
    """Read once, in `main.py`, and handed down. Each field is documented in `docs/settings.md`."""

    model_config = SettingsConfigDict(env_prefix="MAINLOOP_", extra="ignore", frozen=True)

    # The one directory: database, mirrors, workspaces, homes of threads, logs.
    home: Path = Field(default_factory=lambda: Path.home() / ".mainloop")
    # Homes that this process must never open, separated as in PATH. Set while tests run.
    keep_out: str = ""
    # Empty: the SQLite file in `home`. Else a SQLAlchemy address of a PostgreSQL database.
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    # How a browser reaches the server, where that is not http://HOST:PORT.
    public_url: str = ""
    # Further host names under which requests are accepted, separated by commas.
    allowed_hosts: str = ""
    # Hosts, addresses and networks to which notifications may go although they are private, separated by commas.
    reachable: str = ""
    # The kind of agent that runs where nothing else is asked for.
    agent: str = "claude"
    # Its model; empty: the agent's own default.
    model: str = ""
    workspace: str = "local"
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"
    # The name in the prompt; empty: the login name.
    user: str = ""
    # Start straight into the demo agent.
    demo: bool = False
    # Commands of an agent in a sandbox: `ask` lets only reading commands pass, `allow` all.
    commands: Literal["ask", "allow"] = "ask"
    # An unanswered ask holds its agent this long, then the agent is parked (minutes).
    hold_minutes: float = 30
    # An idle agent is parked after this time (minutes).
    park_minutes: float = 30
    # Who has not looked for this long was away (minutes).
    away_minutes: float = 15
    # A runner that was not heard of for this long becomes an item in the inbox (minutes).
    unreachable_minutes: float = 10
    # The tests of a change are ended after this time (minutes), and so many are run at a time.
    check_minutes: float = Field(default=60, gt=0)
    max_checks: int = Field(default=2, ge=1)
    # Where a change is open, whether the project's branches have moved is looked at this often (minutes; 0: never).
    look_minutes: float = Field(default=5, ge=0)
    # Ceilings on fan-out. How many work at a time follows from the memory, see `places_for`.
    max_alive: int = Field(default_factory=lambda: places_for(memory()))
    max_depth: int = 1
    max_starts_per_turn: int = 5
    max_starts_per_day: int = 50
    # What an agent may take with everything it starts, and how much is kept free on the disk (megabytes; 0: no bound).
    session_memory_mb: int = Field(default_factory=lambda: memory() // 2 // 2**20)
    keep_free_mb: int = 1000
    # With less memory left, agents that do nothing are parked before their time (megabytes; 0: never).
    spare_memory_mb: int = Field(default_factory=lambda: memory() // 10 // 2**20)
    # Sessions that agents may start within ten minutes before somebody is asked whether that is meant.
    max_starts_at_once: int = 20
    # Ceilings on spending, in dollars and in tokens; `none`: no ceiling.
    max_usd_per_turn: Dollars = 10
    max_usd_per_session: Dollars = 25
    max_usd_per_project: Dollars = None
    max_usd_per_day: Dollars = 100
    max_tokens_per_turn: Tokens = None
    max_tokens_per_session: Tokens = None
    max_tokens_per_project: Tokens = None
    max_tokens_per_day: Tokens = None
    # Where a day begins and ends; empty: as on this machine.
    time_zone: Annotated[str, AfterValidator(_time_zone)] = ""
    # How often a run that died is started again before the person is asked.
    max_restarts: int = 5

    @model_validator(mode="after")
    def _stay_out(self) -> Self:
        """Tests wiped their developers' own work elsewhere: here they can't even open it."""
        if not self.keep_out:
            return self
        if "home" not in self.model_fields_set:
            raise ValueError("tests run here, so the home has to be named")
        mine = self.home.expanduser().resolve()
        for text in self.keep_out.split(os.pathsep):
            theirs = Path(text).resolve()
            if mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
                raise ValueError(f"tests run here, and {mine} is the person's own")
        return self

    @property
    def database(self) -> str:
        """The address of the database, for SQLAlchemy."""
        return self.database_url or f"sqlite:///{self.home / 'mainloop.db'}"

    @property
    def zone(self) -> tzinfo:
        """The zone of the clock on the person's wall."""
        return ZoneInfo(self.time_zone) if self.time_zone else get_localzone()

    @property
    def zone_name(self) -> str:
        """As `Europe/Berlin`."""
        return getattr(self.zone, "key", "UTC")

    @property
    def person(self) -> str:
        """The name in the prompt."""
        try:
            return self.user or getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            return "me"

    @property
    def base_url(self) -> str:
        """Where a browser finds the page."""
        return self.public_url.rstrip("/") or f"http://{_host_in_address(self.host)}:{self.port}"

    @property
    def server_url(self) -> str:
        """Where a runner on this machine finds the server."""
        return f"http://{_host_in_address('127.0.0.1' if self.host in ('0.0.0.0', '::') else self.host)}:{self.port}"


def _host_in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host
