"""A project's mirror: the bare repository of ours that its sessions borrow from and are kept in.

Its refs: `refs/upstream/<branch>` as the project has them, `refs/sessions/<id>/…` as the sessions left them (`base`,
`head`, `heads/<branch>`), `refs/fetching/…` while a first fetch goes on (see `fetching.py`), `refs/gone/<commit>` for
branches that are gone from the project, or stood in the way of a new one. A commit that was here once stays reachable:
nothing is pruned, overwritten values live on in reflogs that never expire.

Every session of the project can read all of it. What was kept of a workspace (`refs/sessions/<id>/kept/<number>`, see
`kept.py`), or lay there when a turn had ended (`refs/sessions/<id>/turns/<turn>`), may be secret, so it lies in a
repository beside it, which borrows from the mirror and is shown to none.
"""

import errno
import fcntl
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mainloop.db.opening import KEPT_SUFFIX, OWN_MIRROR
from mainloop.errors import MainloopError
from mainloop.git import GitFailed, GitTimedOut, git, git_bytes
from mainloop.projects.fetching import FETCH, SECONDS, Fetching
from mainloop.projects.kept import Snapshot
from mainloop.sandboxes.base import inside
from mainloop.workspaces.base import Looked
from mainloop_models.events import Changed


class NotARepository(MainloopError):
    """{source} is no git repository. Give the folder that contains .git, or an address."""

    status = 422
    code = "not_a_repository"


class EmptyRepository(MainloopError):
    """{source} has no commit yet. Make a first one there, then add it again."""

    status = 422
    code = "empty_repository"


class BranchMissing(MainloopError):
    """There is no branch {name} in this project. It has: {known}."""

    status = 422
    code = "branch_missing"


class Unreachable(MainloopError):
    """{address} can't be read. git says: {line}"""

    status = 502
    code = "project_unreachable"


class UnsafeSource(MainloopError):
    """{source} is not taken as a repository: {why} Give a folder, or an address with https or ssh."""

    status = 422
    code = "unsafe_source"


@dataclass(frozen=True)
class Upstream:
    """What the project's repository had when it was fetched. `HEAD` stands for a checkout without a branch."""

    default_branch: str
    branches: tuple[str, ...]


@dataclass(frozen=True)
class Newest:
    """Where a branch of the project stands. `without`: what was merged into it here, where the two have gone apart."""

    commit: str
    without: str | None = None


@dataclass(frozen=True)
class _Advertised:
    heads: dict[str, str]
    head: str | None
    head_branch: str | None
    # Beside these there are names that are no names of branches, or stand for nothing.
    has_broken: bool

    @property
    def tips(self) -> dict[str, str]:
        """All that is fetched, by its name here."""
        return self.heads if self.head is None else {**self.heads, "HEAD": self.head}


_SETTINGS = {
    "core.repositoryFormatVersion": "1",
    "extensions.preciousObjects": "true",
    "core.logAllRefUpdates": "always",
    "gc.auto": "0",
    "gc.reflogExpire": "never",
    "gc.reflogExpireUnreachable": "never",
    "maintenance.auto": "false",
}

# On disk before git says so: what a session made is kept here and nowhere else.
_DURABLE = ("core.fsync=committed,reference",)

# A branch of this name would be taken for the checkout itself.
_NO_HEAD_BRANCH = "^refs/heads/HEAD"

# More objects than this come as one file, fewer as files of their own.
_FEW = 100
# So many files of their own in one of 256 folders are put together.
_MANY_LOOSE = 8
# What is larger is not compared line by line.
_COUNTING_SECONDS = 20
_COUNTING = ("core.bigFileThreshold=1m", "core.attributesFile=/dev/null")
_MINE = ("user.name=mainloop", "user.email=mainloop@localhost")

_SESSION_SECONDS = 600

_SCHEMES = ("https://", "http://", "ssh://", "git://", "file://")
# host:path or user@host:path, as ssh takes it.
_SCP_LIKE = re.compile(r"^(?:[\w.+-]+@)?[\w.-]+:(?![:/]{2}).+$")


class Mirror:
    """Safe to use from several threads and processes at once."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    @property
    def path(self) -> Path:
        return self._path

    @classmethod
    def create(cls, path: Path) -> "Mirror":
        """The mirror at `path`; made where there is none, whole or not at all."""
        path = path.absolute()
        _make(path)
        return cls(path)

    def fetch_upstream(self, source: str, tell: Callable[[str], None] | None = None) -> Upstream:
        """Brings the branches of a folder or an address into `refs/upstream/*`; `tell` hears how far that is, in words.

        Uses the person's own git configuration and credential helpers, and never prompts.
        Raises UnsafeSource, NotARepository, EmptyRepository or Unreachable.
        """
        address = checked_source(source)
        with self._locked("upstream"):
            try:
                theirs = _advertised(address, as_person=True)
                if not theirs.heads and theirs.head is None:
                    raise EmptyRepository(source=shown(source))
                here = self.branches()
                gone = here.keys() - theirs.heads.keys() - {"HEAD"}
                self._move_away("refs/upstream/", {name: here[name] for name in gone})
                refspecs = ["+refs/heads/*:refs/upstream/*", _NO_HEAD_BRANCH]
                if theirs.head is not None:
                    refspecs.append("+HEAD:refs/upstream/HEAD")
                fetching = Fetching(self._path, address, tell)
                if theirs.tips.items() <= here.items():
                    pass  # nothing has moved
                elif here or _folder(source):
                    fetching.all(refspecs)
                else:
                    fetching.first(refspecs, "HEAD" if theirs.head else f"refs/heads/{_default_branch(theirs)}")
            except GitFailed as error:
                raise _reading_failed(source, error) from error
        return Upstream(_default_branch(theirs), tuple(sorted(theirs.heads)))

    def branches(self) -> dict[str, str]:
        """The branches of the project as last fetched, with the commits they stand at."""
        return self._refs("refs/upstream/")

    def resolve(self, branch: str) -> str:
        """The commit a branch of the project stood at when it was last fetched. Raises BranchMissing."""
        branches = self.branches()
        if branch not in branches:
            raise BranchMissing(name=branch, known=_few(branches))
        return branches[branch]

    def newest_of(self, branch: str) -> "Newest":
        """The same, where something was merged into it here that the project does not have yet, with that.

        Raises BranchMissing.
        """
        fetched = self.resolve(branch)
        merged = self._refs("refs/heads/").get(branch)
        if merged is None or self.has_all_of(fetched, merged):
            return Newest(fetched)
        return Newest(merged) if self.has_all_of(merged, fetched) else Newest(fetched, without=merged)

    def has_all_of(self, commit: str, other: str) -> bool:
        """Whether a commit is, or comes after, another one."""
        try:
            git("merge-base", "--is-ancestor", other, commit, repository=self._path)
        except GitFailed:
            return False
        return True

    def files_at(self, commit: str) -> list[str]:
        """The names at the top of a commit."""
        return git("ls-tree", "--name-only", "-z", commit, repository=self._path).rstrip("\0").split("\0")

    def text_at(self, commit: str, path: str) -> str:
        """A file of a commit as text, at most a megabyte of it; nothing where it has no such file."""
        try:
            return git("cat-file", "blob", f"{commit}:{path}", repository=self._path)[:1_000_000]
        except GitFailed:
            return ""

    def start_session(self, session_id: str, commit: str) -> str:
        """Remembers where a session begins, once; the commit it began at, also when asked again."""
        ref = f"{_session_refs(session_id)}base"
        with self._locked("sessions"):
            known = self.session_refs(session_id).get("base")
            if known is None:
                git("update-ref", "--", ref, commit, "", repository=self._path, config=_DURABLE)
            return known or commit

    def save_session(self, session_id: str, source: Path, branch: str, wrap: Sequence[str] = ()) -> str | None:
        """Fetches a session's branches and HEAD from its workspace, or from a bundle of them.

        The commit `branch` stands at there, or None where the session has no such branch any more. An agent may have
        made anything of `source`, so git reads it in a process of its own behind `wrap`, which sees no more than
        the agent did: a `.git` that points to another repository of the person finds nothing there.
        Raises GitFailed where there is nothing to read.
        """
        mine = _session_refs(session_id)
        reader = f"--upload-pack={shlex.join(inside(wrap, ['git-upload-pack']))}"
        with self._locked("sessions"):
            theirs = _advertised(str(source), reader)
            ours = self.session_refs(session_id)
            wanted = {f"heads/{name}": commit for name, commit in theirs.heads.items()}
            if theirs.head is not None:
                wanted["head"] = theirs.head
            if not wanted.items() <= ours.items():
                self._make_way(f"{mine}heads/", theirs.heads)
                refspecs = [f"+refs/heads/*:{mine}heads/*", _NO_HEAD_BRANCH]
                if theirs.has_broken:
                    refspecs = [f"+refs/heads/{name}:{mine}heads/{name}" for name in theirs.heads]
                if theirs.head is not None:
                    refspecs.append(f"+HEAD:{mine}head")
                git(
                    *FETCH,
                    reader,
                    "--stdin",
                    "--",
                    str(source),
                    repository=self._path,
                    stdin="".join(f"{line}\n" for line in refspecs),
                    config=_DURABLE,
                    timeout=_SESSION_SECONDS,
                )
                ours = self.session_refs(session_id)
            return ours.get(f"heads/{branch}") if branch in theirs.heads else None

    def session_refs(self, session_id: str) -> dict[str, str]:
        """What is kept of a session: `base`, `head` and `heads/<branch>`, with their commits."""
        return self._refs(_session_refs(session_id))

    def newest(self, session_id: str) -> str | None:
        """The commit a session's work is compared with: where it stood when it was saved, or where it began."""
        refs = self.session_refs(session_id) if self._path.exists() else {}
        return refs.get("head") or refs.get("base")

    def keep(self, session_id: str, number: int, source: Path, wrap: Sequence[str] = ()) -> None:
        """Takes over the branch `kept` of a repository, whole and for good, read behind `wrap`.

        Asked again under the same number, what was first stays. Raises GitFailed.
        """
        with self._locked("sessions"):
            if self.has(session_id, number):
                return
            self._make_beside()
            git(
                *FETCH,
                f"--upload-pack={shlex.join(inside(wrap, ['git-upload-pack']))}",
                "--",
                str(source),
                f"refs/heads/kept:{kept_ref(session_id, number)}",
                repository=self._beside,
                config=_DURABLE,
                timeout=SECONDS,
            )

    def has(self, session_id: str, number: int) -> bool:
        """Whether this was taken over."""
        return self._holder(session_id, number) is not None

    def kept(self, session_id: str, number: int) -> Snapshot:
        """What was taken over, to look at."""
        return Snapshot(self._holder(session_id, number) or self._beside, kept_ref(session_id, number))

    def put_back(self, session_id: str, number: int, folder: Path, instead: Mapping[str, bytes]) -> None:
        """Writes what was kept into an empty folder, data of git included; `instead` of some files other contents.

        Raises GitFailed.
        """
        self.kept(session_id, number).write_all(folder, instead)

    # -- turns -----------------------------------------------------------------------------------------------------
    def keep_turn(self, session_id: str, turn: int, looked: Looked, head: str | None) -> tuple[str, str | None]:
        """Takes over the files of a look for good, as they lay when a turn had ended, above the commit `head`.

        Asked again, what was first stays: its tree and head. What the turn before left is not written again. Raises
        GitFailed.
        """
        mine = self.turns(session_id)
        if turn in mine:
            return self._tree(mine[turn]), self._head(mine[turn])
        self._make_beside()
        before = mine[max(mine)] if mine else None
        if before is None or self._tree(before) != looked.tree or self._head(before) != head:
            self._bring(looked, [name for name in (head, before) if name])
            above = ("-p", head) if head else ()
            said = ("commit-tree", looked.tree, *above, "-m", f"Turn {turn}")
            commit = git(*said, repository=self._beside, config=(*_DURABLE, *_MINE)).strip()
            config = (*_DURABLE, "core.logAllRefUpdates=false")
            git("update-ref", "--", turn_ref(session_id, turn), commit, "", repository=self._beside, config=config)
        self._tidy()
        return looked.tree, head

    def changed(self, old: str, new: str) -> Changed | None:
        """How much differs between two commits or trees. None: so much that it is not counted. Raises GitFailed."""
        try:
            rows = [row.split("\t", 2) for row in self._differs(old, new, "--numstat", seconds=_COUNTING_SECONDS)]
        except GitTimedOut:
            return None
        added, removed = (sum(int(row[side]) for row in rows if row[side] != "-") for side in (0, 1))
        return Changed(files=len(rows), added=added, removed=removed)

    def changed_since_common(self, commit: str, tree: str, other: str) -> set[str]:
        """The paths in which the files `tree` above `commit` differ from all that `commit` has in common with `other`.

        What both brought in from elsewhere is common to them, so it is no change of either; what no text can hold is
        replaced. Raises GitFailed.
        """
        try:
            common = git("merge-base", "--all", commit, other, repository=self.with_kept).split()
        except GitFailed as error:
            if error.code != 1:  # they have nothing in common
                raise
            common = []
        said = [self._differs(base, tree, "--name-only") for base in common]
        found = set(said[0]).intersection(*said[1:]) if said else set[str]()
        return {os.fsencode(path).decode(errors="replace") for path in found}

    def _differs(self, old: str, new: str, what: str, seconds: float = 120) -> list[str]:
        how = ("-r", "-z", what, "--no-renames", "--no-ext-diff", "--no-textconv")
        said = git("diff-tree", *how, old, new, "--", repository=self.with_kept, config=_COUNTING, timeout=seconds)
        return [row for row in said.split("\0") if row]

    def turns(self, session_id: str) -> dict[int, str]:
        """The turns of a session that left something new, with their commits."""
        found = _refs_of(self._beside, f"{_session_refs(session_id)}turns/") if self._beside.exists() else {}
        return {int(name): commit for name, commit in found.items()}

    def _bring(self, looked: Looked, known: Sequence[str]) -> None:
        """The objects of a look, but for those of some trees that are here, read behind its sandbox."""
        if _has(self._beside, looked.tree):
            return
        try:
            self._pack(looked, known)
        except GitFailed:
            # What lies beside the workspace was begun anew, and has nothing of earlier turns.
            self._pack(looked, known[:1])

    def _pack(self, looked: Looked, known: Sequence[str]) -> None:
        wanted = "".join(f"{line}\n" for line in (looked.tree, *(f"^{self._tree(name)}" for name in known)))
        with tempfile.TemporaryFile(dir=self._beside) as pack:
            git_bytes(
                *("pack-objects", "--revs", "--thin", "--stdout", "--quiet"),
                repository=looked.repository,
                behind=looked.behind,
                stdin=wanted.encode(),
                into=pack,
                timeout=SECONDS,
            )
            pack.seek(8)
            few = int.from_bytes(pack.read(4), "big") <= _FEW
            pack.seek(0)
            take = ("unpack-objects", "-q") if few else ("index-pack", "--stdin", "--fix-thin")
            git_bytes(*take, repository=self._beside, config=_DURABLE, out_of=pack, timeout=SECONDS)

    def _tidy(self) -> None:
        """Years of turns are some large files, not a hundred thousand small ones. Nothing goes."""
        some = self._beside / "objects/17"
        if not some.is_dir() or sum(1 for _ in some.iterdir()) < _MANY_LOOSE:
            return
        with self._locked("tidy"):
            for command in (("repack", "-q", "-l"), ("prune-packed", "-q"), ("pack-refs", "--all")):
                git(*command, repository=self._beside, config=_DURABLE, timeout=SECONDS)

    def _tree(self, commit: str) -> str:
        return git("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}", repository=self.with_kept).strip()

    def _head(self, commit: str) -> str | None:
        parents = git("rev-list", "--parents", "--max-count=1", commit, "--", repository=self._beside).split()
        return parents[1] if len(parents) > 1 else None

    def sessions(self) -> list[str]:
        """The ids of all sessions something is kept of."""
        return sorted({name.split("/", 1)[0] for name in self._refs("refs/sessions/")})

    @property
    def with_kept(self) -> Path:
        """A repository in which all of this and all that was kept can be read. It is shown to no session."""
        return self._beside if self._beside.exists() else self._path

    @property
    def _beside(self) -> Path:
        """The repository with what was kept."""
        return self._path.with_name(f"{self._path.name.removesuffix('.git')}{KEPT_SUFFIX}")

    def _make_beside(self) -> None:
        # By a path that is still right where the home has moved.
        _make(self._beside, f"../../{self._path.name}/objects\n")
        if (self._path / "shallow").exists():
            shutil.copyfile(self._path / "shallow", self._beside / "shallow")

    def _holder(self, session_id: str, number: int) -> Path | None:
        """Where this was taken over: what an older mainloop kept lies in the mirror itself."""
        name = f"kept/{number}"
        below = _session_refs(session_id)
        places = (place for place in (self._beside, self._path) if place.exists())
        return next((place for place in places if name in _refs_of(place, below)), None)

    def _refs(self, below: str) -> dict[str, str]:
        return _refs_of(self._path, below)

    def _make_way(self, below: str, coming: Mapping[str, str]) -> None:
        """`a` can't stand beside `a/b`: a branch that is gone and in the way moves to `refs/gone/`."""
        parents = {parent for name in coming for parent in _parents(name)}
        gone = {
            name: commit
            for name, commit in self._refs(below).items()
            if name not in coming and (name in parents or any(parent in coming for parent in _parents(name)))
        }
        self._move_away(below, gone)

    def _move_away(self, below: str, gone: Mapping[str, str]) -> None:
        """Branches that are no more, with their commits, move to `refs/gone/`."""
        moves = [f"delete {below}{name} {commit}" for name, commit in gone.items()]
        moves += [f"update refs/gone/{commit} {commit}" for commit in dict.fromkeys(gone.values())]
        if moves:
            # In two transactions: what is deleted has its other name before.
            for verb in ("update", "delete"):
                lines = "".join(f"{line}\n" for line in moves if line.startswith(verb))
                git("update-ref", "--stdin", repository=self._path, stdin=lines, config=_DURABLE)

    @contextmanager
    def _locked(self, what: str) -> Generator[None]:
        with (self._path / f"mainloop-{what}").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _make(path: Path, borrows: str = "") -> None:
    """A repository of ours, where there is none: whole or not at all."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=path.parent))
    git("init", "--quiet", "--bare", "--template=", "--", str(making))
    for name, value in _SETTINGS.items():
        git("config", name, value, repository=making)
    if borrows:
        (making / "objects/info/alternates").write_text(borrows)
    _rename_unless_there(making, path)


def _has(repository: Path, name: str) -> bool:
    try:
        git("cat-file", "-e", name, repository=repository)
    except GitFailed:
        return False
    return True


def _refs_of(repository: Path, below: str) -> dict[str, str]:
    lines = git("for-each-ref", "--format=%(objectname) %(refname)", below, repository=repository).splitlines()
    pairs = (line.split(" ", 1) for line in lines)
    return {ref.removeprefix(below): commit for commit, ref in pairs}


def checked_source(source: str) -> str:
    """What git is given for a folder or an address the person named. Raises UnsafeSource or NotARepository."""
    source = source.strip()
    if not source:
        raise UnsafeSource(source="An empty text", why="it names nothing.")
    if any(ord(character) < 32 for character in source):
        raise UnsafeSource(source=repr(source), why="it contains control characters.")
    if source.startswith("-"):
        raise UnsafeSource(source=source, why="it begins with a dash, like an option.")
    if source.startswith(_SCHEMES):
        if source.split("://", 1)[1].startswith("-"):
            raise UnsafeSource(source=shown(source), why="its host begins with a dash.")
        return source
    if re.match(r"^[\w+.-]+::", source):
        raise UnsafeSource(source=source, why="addresses with :: start a program.")
    folder = _folder(source)
    if folder is not None:
        return str(folder)
    if re.match(r"^[\w+.-]+://", source):
        raise UnsafeSource(source=shown(source), why="this kind of address is not known.")
    if _SCP_LIKE.match(source):
        return source
    raise NotARepository(source=source)


def session_ref(session_id: str, branch: str) -> str:
    """Where a mirror keeps a branch of a session."""
    return f"{_session_refs(session_id)}heads/{branch}"


def mirror_of(mirrors: Path, project_id: str | None) -> Mirror:
    """The mirror of a project; the one for sessions without a project is mainloop's own."""
    return Mirror(mirrors / f"{project_id or OWN_MIRROR}.git")


def kept_ref(session_id: str, number: int) -> str:
    """The name of what was not committed when a session was closed, in the repository beside its mirror."""
    return f"{_session_refs(session_id)}kept/{number}"


def turn_ref(session_id: str, turn: int) -> str:
    """The name of what lay in a workspace when a turn had ended, in the repository beside the mirror."""
    return f"{_session_refs(session_id)}turns/{turn}"


def shown(text: str) -> str:
    """Without the name and password an address may carry."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def _folder(source: str) -> Path | None:
    """The folder it names, if it is one that may be looked into."""
    try:
        path = Path(source).expanduser()
        return path.resolve() if path.is_dir() else None
    except (OSError, RuntimeError):  # not allowed, too long, no such user
        return None


def _session_refs(session_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", session_id):
        raise ValueError(f"no session has the id {session_id!r}")
    return f"refs/sessions/{session_id}/"


def _advertised(source: str, *options: str, as_person: bool = False) -> _Advertised:
    patterns = ("HEAD", "refs/heads/*")
    out = git("ls-remote", "--symref", *options, "--", source, *patterns, as_person=as_person)
    heads: dict[str, str] = {}
    head = head_branch = None
    for line in out.splitlines():
        value, _, ref = line.partition("\t")
        if ref.startswith("refs/heads/"):
            heads[ref.removeprefix("refs/heads/")] = value
        elif ref == "HEAD" and value.startswith("ref: "):
            head_branch = value.removeprefix("ref: refs/heads/")
        elif ref == "HEAD":
            head = value
    heads.pop("HEAD", None)
    whole = {name: commit for name, commit in heads.items() if commit.strip("0")}
    return _Advertised(whole, head, head_branch, has_broken=len(whole) < len(heads))


def _default_branch(theirs: _Advertised) -> str:
    usual = (theirs.head_branch, "main", "master")
    known = (name for name in usual if name in theirs.heads)
    at_head = (name for name, commit in sorted(theirs.heads.items()) if commit == theirs.head)
    found = next((name for name in (*known, *at_head) if name), None)
    return found or ("HEAD" if theirs.head else min(theirs.heads))


def _reading_failed(source: str, error: GitFailed) -> MainloopError:
    if "does not appear to be a git repository" in error.stderr and _folder(source):
        return NotARepository(source=source)
    return Unreachable(address=shown(source), line=shown(error.line))


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _few(names: Mapping[str, str]) -> str:
    most = sorted(name for name in names if name != "HEAD")
    rest = len(most) - 20
    return ", ".join(most[:20]) + (f" and {rest} more" if rest > 0 else "")


def _rename_unless_there(making: Path, path: Path) -> None:
    try:
        os.rename(making, path)  # noqa: PTH104 - an existing empty folder may be replaced
    except OSError as error:
        shutil.rmtree(making)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
