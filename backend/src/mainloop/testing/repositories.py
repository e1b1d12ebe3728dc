"""Real repositories for tests, made with plain git as a person would."""

import os
import subprocess
from pathlib import Path

_PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A Person"), ("EMAIL", "person@example.invalid"))
}


class Repository:
    """A work tree with its repository."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, path: Path, commits: int = 1, branch: str = "main") -> "Repository":
        path.mkdir(parents=True)
        made = cls(path)
        made.git("init", "--quiet", f"--initial-branch={branch}")
        for number in range(commits):
            made.commit(f"commit {number + 1}", {"README.md": f"line {number + 1}\n"})
        return made

    def git(self, *arguments: str) -> str:
        """What git answers here, its own output only. Raises CalledProcessError with git's words."""
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.path,
            env={**os.environ, **_PERSON},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, message: str, files: dict[str, str] | None = None) -> str:
        for name, content in (files or {}).items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.commit_at("HEAD")

    def commit_at(self, name: str) -> str:
        return self.git("rev-parse", "--verify", name)
