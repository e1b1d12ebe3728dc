"""Files that a program has written, by their names: they are shown when one asks for them."""

import re
from typing import Final

_NAMES: Final = re.compile(
    r"(?:package-lock\.json|npm-shrinkwrap\.json|packages\.lock\.json|pnpm-lock\.yaml|bun\.lockb|go(?:\.work)?\.sum"
    r"|package\.resolved|cartfile\.resolved|gradle\.lockfile|\.terraform\.lock\.hcl"
    r"|(?:yarn|bun|deno|cargo|poetry|pdm|pipfile|uv|composer|gemfile|mix|pubspec|podfile|flake|pixi)\.lock)"
)
_ENDINGS: Final = re.compile(
    r"(?:[.-]min\.(?:js|css|mjs)|\.(?:js|css)\.map|\.pb\.(?:go|cc|h)|_pb2(?:_grpc)?\.pyi?|_pb\.(?:js|d\.ts)|\.g\.dart"
    r"|\.freezed\.dart|\.designer\.cs|\.generated\.\w+|\.gen\.(?:go|ts|py)|_generated\.\w+|\.snap)$"
)
_FOLDERS: Final = frozenset(("node_modules", "vendor", "third_party", "__snapshots__", "__generated__"))


def is_generated(path: str) -> bool:
    """Whether nobody writes such a file by hand."""
    *folders, name = path.lower().split("/")
    return _NAMES.fullmatch(name) is not None or _ENDINGS.search(name) is not None or not _FOLDERS.isdisjoint(folders)
