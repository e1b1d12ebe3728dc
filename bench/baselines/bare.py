"""The least that FastAPI with DBOS can be: one route, one workflow, one SQLite file. `bare.py PORT FOLDER`."""

import contextlib
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import uvicorn
from dbos import DBOS, DBOSConfig
from fastapi import FastAPI


@DBOS.workflow(name="nothing")
def nothing() -> None:
    """A workflow, so that there is one."""


def make_app(folder: Path) -> FastAPI:
    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncGenerator[None]:
        config: DBOSConfig = {
            "name": "bare",
            "system_database_url": f"sqlite:///{folder / 'bare.db'}",
            "log_level": "ERROR",
            "enable_otlp": False,
        }
        DBOS(config=config)
        DBOS.launch()
        yield
        DBOS.destroy()

    app = FastAPI(lifespan=life)

    @app.get("/api/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(Path(sys.argv[2])), port=int(sys.argv[1]), log_level="warning", access_log=False)
