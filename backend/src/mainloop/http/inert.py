"""Content that somebody else wrote: a browser that opens it by itself stores it, and never runs or shows it."""

from typing import Final

INERT: Final = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
}
