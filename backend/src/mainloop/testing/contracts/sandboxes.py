"""What every sandbox promises. A subclass gives the fixtures `sandbox` and `ground`, an empty folder."""

import errno
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mainloop.sandboxes.base import Policy, Sandbox, inside
from mainloop.settings import memory
from mainloop.testing.waiting import eventually

_STARTER = """\
import json, subprocess, sys
subprocess.run(json.loads(sys.argv[1]))
"""


# Every place in memory that can be written: its size, and what comes of a file that is larger than it.
_IN_MEMORY = """\
import json, os
found = {}
for line in open("/proc/self/mounts"):
    _, place, kind, *_ = line.split()
    if kind != "tmpfs" or not os.access(place, os.W_OK):
        continue
    about = os.statvfs(place)
    found[place] = [about.f_blocks * about.f_frsize, 0]
    try:
        with open(place + "/large", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, found[place][0] + 1)
    except OSError as error:
        found[place][1] = error.errno
print(json.dumps(found))
"""
PAGE = os.sysconf("SC_PAGE_SIZE")


class SandboxContract:
    def test_a_command_keeps_its_input_its_output_and_its_exit_code(self, sandbox: Sandbox, ground: Path) -> None:
        done = run(sandbox, Policy(ground, (ground,)), "cat; echo told >&2; exit 7", stdin="given")
        assert (done.stdout, done.stderr, done.returncode) == ("given", "told\n", 7)

    def test_arguments_with_spaces_quotes_and_line_ends_arrive_as_they_are(
        self, sandbox: Sandbox, ground: Path
    ) -> None:
        odd = ["two words", 'it\'s "so"', "line\nend", "--chdir", "", "ö"]
        command = inside(sandbox.wrap(Policy(ground, (ground,))), ["printf", "%s|", *odd])
        done = subprocess.run(command, capture_output=True, text=True, cwd=ground, check=True, timeout=30)
        assert done.stdout == "".join(f"{argument}|" for argument in odd)

    def test_the_same_policy_gives_the_same_list(self, sandbox: Sandbox, ground: Path) -> None:
        policy = Policy(ground, (ground,))
        assert sandbox.wrap(policy) == sandbox.wrap(policy)
        assert not list(ground.iterdir())

    def test_what_is_written_in_the_workspace_is_there(self, sandbox: Sandbox, ground: Path) -> None:
        workspace = ground / 'it\'s a "workspace" ö'
        workspace.mkdir()
        done = run(sandbox, Policy(workspace, (workspace,)), "echo made > file && mkdir -p a/b && pwd")
        assert done.returncode == 0, done.stderr
        assert (workspace / "file").read_text() == "made\n"
        assert done.stdout.strip() == str(workspace)

    def test_a_folder_that_is_read_only_can_be_read(self, sandbox: Sandbox, ground: Path) -> None:
        workspace, mirror = folders(ground, "workspace", "mirror")
        (mirror / "object").write_text("content")
        policy = Policy(workspace, (workspace,), (mirror, ground / "missing"))
        assert run(sandbox, policy, f"cat {shlex.quote(str(mirror / 'object'))}").stdout == "content"

    def test_python_and_git_run_inside(self, sandbox: Sandbox, ground: Path) -> None:
        done = run(
            sandbox,
            Policy(ground, (ground,)),
            f"{shlex.quote(sys.executable)} -c 'import mainloop_models; print(6 * 7)' && git init -q . && git status",
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("42\n")

    def test_all_processes_end_when_the_one_that_started_them_is_killed(self, sandbox: Sandbox, ground: Path) -> None:
        mark = f"4321.{secrets.randbelow(10**9):09}"
        script = f"setsid nohup sleep {mark} >/dev/null 2>&1 & (sleep {mark} &) ; sleep {mark}"
        command = inside(sandbox.wrap(Policy(ground, (ground,))), ["sh", "-c", script])
        starter = subprocess.Popen(
            [sys.executable, "-c", _STARTER, json.dumps(command)], cwd=ground, stdin=subprocess.DEVNULL
        )
        eventually(lambda: len(sleeping(mark)) == 3)
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        eventually(lambda: not sleeping(mark))

    @pytest.mark.spec("kills-33")
    def test_what_a_command_left_behind_is_counted_as_its_own_and_ends_with_it(
        self, sandbox: Sandbox, ground: Path
    ) -> None:
        """In a session of its own, with an environment of its own, and the one that started it gone."""
        mark = f"4321.{secrets.randbelow(10**9):09}"
        script = f"sh -c 'env -i setsid nohup sleep {mark} >/dev/null 2>&1 &'; read wait; exit 7"
        command = inside(sandbox.wrap(Policy(ground, (ground,))), ["sh", "-c", script])
        with subprocess.Popen(command, cwd=ground, stdin=subprocess.PIPE) as process:
            [left] = eventually(lambda: sleeping(mark))
            assert process.pid in above(left)
            process.communicate(b"go on\n", timeout=60)
        assert process.returncode == 7
        eventually(lambda: not sleeping(mark))

    def test_the_probe_says_what_it_found_in_words(self, sandbox: Sandbox) -> None:
        probe = sandbox.probe()
        assert probe.ok, f"{probe.text}\n{probe.hint}"
        assert probe.text.endswith(".")


class ConfinedSandboxContract(SandboxContract):
    """For those that say `confined`."""

    def test_it_says_that_it_confines(self, sandbox: Sandbox) -> None:
        assert sandbox.confined

    def test_a_file_outside_is_neither_read_nor_changed(self, sandbox: Sandbox, ground: Path) -> None:
        workspace, outside = folders(ground, "workspace", "person's own")
        (outside / "canary").write_text("secret")
        place = shlex.quote(str(outside))
        done = run(sandbox, Policy(workspace, (workspace,)), f"cat {place}/canary; echo x > {place}/new; ls {place}/..")
        assert "secret" not in done.stdout
        assert "person" not in done.stdout
        assert list(outside.iterdir()) == [outside / "canary"]

    def test_the_system_can_not_be_changed(self, sandbox: Sandbox, ground: Path) -> None:
        name = f"mainloop-canary-{secrets.token_hex(4)}"
        script = (
            f"mount -o remount,rw,bind /usr; for d in /usr /etc / /opt /proc/sys/kernel; do echo x > $d/{name}; done"
        )
        run(sandbox, Policy(ground, (ground,)), script)
        assert not [folder for folder in ("/usr", "/etc", "/", "/opt") if (Path(folder) / name).exists()]

    def test_it_has_no_capability_left(self, sandbox: Sandbox, ground: Path) -> None:
        done = run(sandbox, Policy(ground, (ground,)), "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status")
        assert {line.split()[1] for line in done.stdout.splitlines()} == {"0" * 16}

    def test_a_folder_that_is_read_only_can_not_be_changed(self, sandbox: Sandbox, ground: Path) -> None:
        workspace, mirror = folders(ground, "workspace", "mirror")
        (mirror / "object").write_text("content")
        place = shlex.quote(str(mirror))
        policy = Policy(workspace, (workspace,), (mirror,))
        run(sandbox, policy, f"echo x > {place}/object; rm -f {place}/object; echo x > {place}/new; chmod 777 {place}")
        assert (mirror / "object").read_text() == "content"
        assert list(mirror.iterdir()) == [mirror / "object"]

    def test_what_is_hidden_stays_unseen_below_something_that_is_shown(self, sandbox: Sandbox, ground: Path) -> None:
        shown, workspace, spool = folders(ground, "shown", "shown/home/workspace", "shown/home/spool")
        (shown / "tool").write_text("tool")
        (spool / "secret").write_text("secret")
        policy = Policy(workspace, (workspace,), (shown,), (shown / "home",))
        done = run(sandbox, policy, "cat ../../tool; echo made > file; cat ../spool/secret; echo x > ../spool/secret")
        assert done.stdout == "tool"
        assert (workspace / "file").read_text() == "made\n"
        assert (spool / "secret").read_text() == "secret"

    def test_processes_outside_are_unseen_and_can_not_be_signalled(self, sandbox: Sandbox, ground: Path) -> None:
        mark = f"60.{secrets.randbelow(10**9):09}"
        with subprocess.Popen(["sleep", mark]) as other:
            done = run(
                sandbox,
                Policy(ground, (ground,)),
                f"cat /proc/[0-9]*/cmdline | tr '\\0' ' '; kill -9 {other.pid}; kill -9 -1; true",
            )
            assert mark not in done.stdout
            assert other.poll() is None
            other.kill()

    def test_without_network_not_even_this_machine_is_reached(self, sandbox: Sandbox, ground: Path) -> None:
        script = "ls /sys/class/net 2>/dev/null; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"
        assert run(sandbox, Policy(ground, (ground,), network=False), script).stdout.split() == ["lo"]

    @pytest.mark.spec("kills-31")
    def test_whatever_is_written_in_memory_has_a_bound(self, sandbox: Sandbox, ground: Path) -> None:
        done = run(sandbox, Policy(ground, (ground,)), f"{shlex.quote(sys.executable)} -c {shlex.quote(_IN_MEMORY)}")
        assert done.returncode == 0, done.stderr
        found: dict[str, list[int]] = json.loads(done.stdout)
        assert {error for _, error in found.values()} == {errno.ENOSPC}
        sizes = {place: size for place, (size, _) in found.items()}
        # The system rounds up to whole pages.
        assert 0 <= sizes["/tmp"] - memory() // 8 < PAGE
        assert 0 <= sizes["/dev/shm"] - memory() // 16 < PAGE
        assert max(sizes.values()) == sizes["/tmp"]

    def test_what_only_root_may_read_stays_unread(self, sandbox: Sandbox, ground: Path) -> None:
        assert run(sandbox, Policy(ground, (ground,)), "cat /etc/shadow /etc/gshadow").stdout == ""


def run(sandbox: Sandbox, policy: Policy, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A shell script behind the sandbox."""
    return subprocess.run(
        inside(sandbox.wrap(policy), ["sh", "-c", script]),
        input=stdin,
        capture_output=True,
        text=True,
        cwd=policy.chdir,
        timeout=60,
        check=False,
    )


def folders(ground: Path, *names: str) -> list[Path]:
    made = [ground / name for name in names]
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    return made


def above(pid: int) -> list[int]:
    """The processes that have started this one, from the nearest on."""
    found: list[int] = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def sleeping(mark: str) -> list[int]:
    """The processes on this machine that run `sleep MARK`, zombies left out."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cmdline").read_bytes() == f"sleep\0{mark}\0".encode():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
