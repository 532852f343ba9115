"""The web application: what the shop's page asks for, and the parts that stand in files of their own."""

from __future__ import annotations

import asyncio
import logging
import platform
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from shop import crm, orders
from shop.database import Tick, session
from shop.settings import version

log = logging.getLogger("uvicorn.error")
app = FastAPI(title="Shop", version=version(), docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
app.include_router(orders.router)
app.include_router(crm.router)


@app.get("/api/health")
def health(session: Annotated[Session, Depends(session)]) -> dict[str, str]:
    """Say that the application and its database answer; 503 where the database does not."""
    session.execute(text("SELECT 1"))
    return {"status": "ok"}


@app.get("/api/version")
def about(session: Annotated[Session, Depends(session)]) -> dict[str, str | None]:
    """Say which version answers, in which container, and when the worker last ticked."""
    at = session.scalar(select(Tick.at).where(Tick.name == "worker"))
    return {
        "version": version(),
        "instance": platform.node(),
        "worker": at.isoformat() if at else None,
    }


@app.get("/api/slow")
async def slow(seconds: Annotated[float, Query(ge=0, le=60)] = 1.0) -> dict[str, float]:
    """Answer after a while: what is under way when a version is replaced must still come to its end."""
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@app.websocket("/ws")
async def echo(socket: WebSocket) -> None:
    """Send back what is said, beginning with our version."""
    await socket.accept()
    try:
        await socket.send_json({"version": version(), "instance": platform.node()})
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        return


@app.exception_handler(SQLAlchemyError)
def database_is_away(request: Request, error: SQLAlchemyError) -> JSONResponse:
    """Answer 503; what went wrong stands in the log, not in the answer."""
    log.error("%s %s: %s", request.method, request.url.path, str(error).splitlines()[0])
    return JSONResponse({"detail": "The database does not answer. Try again."}, 503, {"Retry-After": "5"})


@app.exception_handler(Exception)
def something_is_wrong(request: Request, error: Exception) -> JSONResponse:
    """Answer 500 without a word of where it happened."""
    return JSONResponse({"detail": "Something went wrong here."}, 500)
