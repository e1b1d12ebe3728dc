"""The built page: immutable assets, compressed siblings, and the shell for every address a browser navigates to."""

import re
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

SHELL: Final = "index.html"
IMMUTABLE: Final = "_app/immutable/"
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
# A compressed sibling that is older by so much (seconds) is of a page that was replaced.
REPLACED: Final = 60


def find_page() -> Path | None:
    """Where the built page lies: in the installed package, or in the checkout after `make build`."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "page", package.parents[2] / "frontend" / "build"):
        if (folder / SHELL).is_file():
            return folder
    return None


def policy_of(shell: str) -> str:
    """The content security policy that the build wrote into the page, with what only a header can say."""
    found = re.search(r'<meta http-equiv="content-security-policy" content="([^"]+)"', shell)
    return f"{unescape(found[1])}; frame-ancestors 'none'" if found else "frame-ancestors 'none'"


class PageFiles(StaticFiles):
    """A missing file is a 404, or an old tab would get HTML where it asks for code; only navigations get the shell."""

    def __init__(self, *, directory: Path) -> None:
        super().__init__(directory=directory)
        self._shell = directory / SHELL
        self._read_at = 0
        self._policy = ""

    async def get_response(self, path: str, scope: Scope) -> Response:
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405)
        try:
            if path == ".":  # Starlette's word for the root
                raise HTTPException(404)
            response = self._compressed(path, headers) or await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or "text/html" not in headers.get("accept", ""):
                raise
            path = SHELL
            response = self._compressed(SHELL, headers) or await super().get_response(SHELL, scope)
        response.headers["Content-Security-Policy"] = self._policy_now()
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if path.startswith(IMMUTABLE) else "no-cache"
        )
        return response

    def _policy_now(self) -> str:
        """Of the page as it lies there now: an upgrade may have put another one under the running server."""
        with suppress(FileNotFoundError):  # It is just being put there.
            changed = self._shell.stat().st_mtime_ns
            if changed != self._read_at:
                self._policy, self._read_at = policy_of(self._shell.read_text()), changed
        return self._policy

    def _compressed(self, path: str, headers: Headers) -> Response | None:
        accepted = headers.get("accept-encoding", "")
        full, stat = self.lookup_path(path)
        if stat is None:
            return None
        for encoding, suffix in ENCODINGS:
            sibling, sibling_stat = self.lookup_path(path + suffix)
            if encoding not in accepted or sibling_stat is None or sibling_stat.st_mtime + REPLACED < stat.st_mtime:
                continue
            # The type is the plain file's; the size and the tag are the sibling's.
            response = FileResponse(sibling, stat_result=sibling_stat, media_type=_media_type(full))
            response.headers["Content-Encoding"] = encoding
            response.headers["Vary"] = "Accept-Encoding"
            if self.is_not_modified(response.headers, headers):
                return NotModifiedResponse(response.headers)
            return response
        return None


def _media_type(path: str) -> str | None:
    return FileResponse(path).media_type
