"""While tests run, no process of theirs opens the person's own home.

Use it as a pytest plugin (`-p mainloop.testing.keep_out`). Every process that a test starts inherits the variable.
"""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

NAME: Final = "MAINLOOP_KEEP_OUT"


def own_homes(environment: Mapping[str, str]) -> str:
    """The homes that mainloop would open for this person without tests."""
    named = [environment[name] for name in ("MAINLOOP_HOME",) if environment.get(name)]
    theirs = [Path.home(), Path(pwd.getpwuid(os.getuid()).pw_dir)]
    return os.pathsep.join(dict.fromkeys([*named, *(str(home / ".mainloop") for home in theirs)]))


def kept_out(environment: Mapping[str, str]) -> dict[str, str]:
    """The variable for a process that is started with an environment of its own."""
    return {NAME: environment.get(NAME) or own_homes(environment)}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    os.environ.update(kept_out(os.environ))
