"""The API's documents: `/openapi.json`, a viewer at `/docs`, and what each error means."""

import json
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from mainloop.errors import MainloopError

STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.5 ui-monospace,monospace}pre{overflow:auto;padding:.75rem;border:1px solid #8885;border-radius:8px}
h2{margin-top:2.5rem;border-bottom:1px solid #8885}summary{cursor:pointer;padding:.4rem 0}
.verb{display:inline-block;min-width:4.5rem;font-weight:600}.muted{opacity:.7}
"""


def install(app: FastAPI) -> None:
    """Add `/docs` and `/docs/errors`; both are plain pages of ours, nothing is loaded from elsewhere."""

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return _page("mainloop API", _routes(app.openapi()))

    @app.get("/docs/errors", include_in_schema=False)
    def errors() -> HTMLResponse:
        rows = "".join(
            f'<h3 id="{escape(kind.code)}"><code>{escape(kind.code)}</code> <span class="muted">{kind.status}</span>'
            f"</h3><p>{escape((kind.__doc__ or '').strip())}</p>"
            for kind in sorted(_all_errors(), key=lambda k: k.code)
        )
        return _page("Errors", f"<p>Every error is a problem document (RFC 9457) with one of these codes.</p>{rows}")


def _all_errors() -> set[type[MainloopError]]:
    found: set[type[MainloopError]] = set()
    todo: list[type[MainloopError]] = [MainloopError]
    while todo:
        kind = todo.pop()
        if not kind.__name__.startswith("_"):
            found.add(kind)
        todo.extend(kind.__subclasses__())
    return found


def _page(title: str, body: str) -> HTMLResponse:
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>"
        f'<p><a href="/docs">routes</a> · <a href="/docs/errors">errors</a> · <a href="/openapi.json">openapi.json</a>'
        f"</p>{body}</html>"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


def _routes(document: dict[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for path, verbs in document["paths"].items():
        for verb, route in verbs.items():
            groups.setdefault(route.get("tags", ["other"])[0], []).append(_route(path, verb, route))
    schemas = "".join(
        f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<pre>{escape(_pretty(schema))}</pre></details>"
        for name, schema in sorted(document.get("components", {}).get("schemas", {}).items())
    )
    listed = "".join(f"<h2>{escape(name)}</h2>{''.join(routes)}" for name, routes in groups.items())
    return f"<p>{escape(document['info'].get('description', ''))}</p>{listed}<h2>Shapes</h2>{schemas}"


def _route(path: str, verb: str, route: dict[str, Any]) -> str:
    parts = [f"<p>{escape(route.get('description', ''))}</p>"]
    parts += [
        f"<p><code>{escape(parameter['name'])}</code> <span class=muted>in {escape(parameter['in'])}</span> "
        f"{escape(parameter.get('description', ''))}</p>"
        for parameter in route.get("parameters", [])
    ]
    if "requestBody" in route:
        parts.append(f"<p>Takes {_links(route['requestBody'])}</p>")
    for status, answer in route.get("responses", {}).items():
        parts.append(f"<p>{escape(status)}: {_links(answer) or escape(answer.get('description', ''))}</p>")
    return (
        f'<details><summary><span class="verb">{escape(verb.upper())}</span> <code>{escape(path)}</code></summary>'
        f"{''.join(parts)}</details>"
    )


def _links(value: dict[str, Any]) -> str:
    names = [
        content["schema"]["$ref"].rsplit("/", 1)[-1]
        for content in value.get("content", {}).values()
        if "$ref" in content.get("schema", {})
    ]
    return ", ".join(f'<a href="#schema-{escape(n)}"><code>{escape(n)}</code></a>' for n in names)


def _pretty(value: object) -> str:

    return json.dumps(value, indent=2, ensure_ascii=False)
