"""Carries the built page and the migrations, which live beside the package, into what is built.

In an editable install both are read from the checkout, so nothing is copied and a page that has
not been built yet is no error.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE_MISSING = "The page is not built yet: run `make build` first, so that the package carries it."


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        # A source distribution has the page beside this file, a checkout in the front end's folder.
        page = next(
            (folder for folder in (root / "page", root.parent / "frontend" / "build") if folder.is_dir()),
            None,
        )
        if page is None:
            raise FileNotFoundError(PAGE_MISSING)
        inside = "" if self.target_name == "sdist" else "mainloop/"
        build_data["force_include"][str(page)] = f"{inside}page"
        if self.target_name == "wheel" and (root / "migrations").is_dir():
            build_data["force_include"][str(root / "migrations")] = "mainloop/migrations"
