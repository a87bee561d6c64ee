"""``python -m bench.front_door.bare PORT FILE``: a bare FastAPI route that returns what is in the file."""

import sys
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI, Response

READY: Final = "Serving bytes"


def main(port: str, file: str) -> None:
    """Serve until killed."""
    content = Path(file).read_bytes()
    app = FastAPI()

    @app.get("/applications/{uid}")
    async def status(uid: str) -> Response:
        return Response(content, media_type="application/json")

    @app.on_event("startup")
    def ready() -> None:
        print(READY, flush=True)

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_config=None, access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
