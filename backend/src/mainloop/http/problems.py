"""Errors as problem documents (RFC 9457) with a stable code and a sentence that says what to do."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from mainloop.errors import BadInput, MainloopError, UnknownRoute

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What every error answers. `detail` is the sentence for the person, `code` is stable."""

    type: str
    title: str
    status: int
    code: str
    detail: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "What is wrong and what to do"},
    "5XX": {"model": Problem, "description": "What is wrong and what to do"},
}


def problem(error: MainloopError, **more: object) -> JSONResponse:
    """The answer for `error`, with further members where a client can use them."""
    body = Problem(
        type=f"/docs/errors#{error.code}",
        title=error.code.replace("_", " ").capitalize(),
        status=error.status,
        code=error.code,
        detail=error.sentence,
    )
    return JSONResponse({**body.model_dump(), **more}, status_code=error.status, media_type=MEDIA_TYPE)


class _Http(MainloopError):
    """{what}"""

    code = "http"


def install(app: FastAPI) -> None:
    """Render every error of the app as a problem."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, MainloopError)
        if error.status >= 500:
            log.error("%s", error, exc_info=error)
        return problem(error, **error.values.get("extra", {}))  # type: ignore[arg-type]

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        answer = _Http(what=_in_words(error))
        answer.status, answer.code = 422, "bad_input"
        return problem(answer)

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return problem(UnknownRoute(path=request.url.path))
        if error.status_code == 400:  # the one thing the framework refuses so: a body that it can't decode
            return problem(BadInput(what="The body of this request can't be read. Send it as JSON in UTF-8."))
        answer = _Http(what=f"{request.method} {request.url.path}: {error.detail}.")
        answer.status, answer.code = error.status_code, f"http_{error.status_code}"
        return problem(answer)

    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        log.error("A request failed", exc_info=error)
        return problem(MainloopError())

    app.add_exception_handler(MainloopError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unexpected)


def _in_words(error: RequestValidationError) -> str:
    def one(part: dict[str, Any]) -> str:
        place = ".".join(str(p) for p in part["loc"] if p not in ("body", "query", "path"))
        return f"{place or 'The request'}: {part['msg'].removeprefix('Value error, ')}"

    return "; ".join(one(part) for part in error.errors()[:5]) + "."
