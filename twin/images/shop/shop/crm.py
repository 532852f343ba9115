"""The second site: calls a telephone system reports by a signed webhook, and a page that lists them."""

from __future__ import annotations

import json
from html import escape
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field, ValidationError
from redis import Redis, RedisError

from shop.settings import settings, version
from shop.signature import holds
from shop.stores import cache

CALLS = "calls"
KEPT = 100
DAY = 24 * 3600
Cache = Annotated[Redis, Depends(cache)]
router = APIRouter()


class Call(BaseModel):
    """A call as the telephone system tells it."""

    id: str = Field(min_length=1, max_length=80)
    caller: str = Field(min_length=1, max_length=40)
    callee: str = Field(min_length=1, max_length=40)
    seconds: int = Field(default=0, ge=0)


@router.post("/webhook/phone")
async def phone(
    request: Request, cache: Cache, x_signature: Annotated[str | None, Header()] = None
) -> dict[str, str]:
    """Note a call, once however often it is sent. The body must be signed: X-Signature: sha256=<hex>."""
    body = await request.body()
    if not holds(settings().webhook_secret, body, (x_signature or "").removeprefix("sha256=")):
        raise HTTPException(403, "The signature is not that of this body.")
    try:
        call = Call.model_validate_json(body)
    except ValidationError:
        raise HTTPException(422, "A call has id, caller, callee and seconds.") from None
    try:
        return {"status": "noted" if _note(cache, call) else "known"}
    except RedisError:
        raise HTTPException(503, "The call could not be kept. Send it again.") from None


def _note(cache: Redis, call: Call) -> bool:
    if not cache.set(f"call:{call.id}", "1", nx=True, ex=DAY):
        return False
    with cache.pipeline() as both:
        both.lpush(CALLS, call.model_dump_json())
        both.ltrim(CALLS, 0, KEPT - 1)
        both.execute()
    return True


def _calls(cache: Redis) -> list[Call]:
    try:
        found = cache.lrange(CALLS, 0, KEPT - 1)
    except RedisError:
        raise HTTPException(503, "The list of calls cannot be read now.") from None
    return [Call.model_validate(json.loads(each)) for each in found]


@router.get("/")
def page(cache: Cache, accept: Annotated[str, Header()] = "") -> Response:
    """Show the latest calls: a page to a browser, JSON to a program."""
    calls = _calls(cache)
    if "text/html" not in accept:
        content = json.dumps({"version": version(), "calls": [call.model_dump() for call in calls]})
        return Response(content, media_type="application/json")
    rows = "".join(
        f"<tr><td>{escape(call.caller)}</td><td>{escape(call.callee)}</td><td>{call.seconds} s</td></tr>"
        for call in calls
    )
    return HTMLResponse(PAGE.format(version=escape(version()), rows=rows or EMPTY))


@router.get("/crm.css")
def style() -> Response:
    """Return the page's style: a policy of 'self' allows none inside the page."""
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Calls</title><link rel="stylesheet" href="/crm.css">
<main><h1>Calls</h1>
<table><thead><tr><th scope="col">From</th><th scope="col">To</th><th scope="col">Length</th></tr></thead>
<tbody>{rows}</tbody></table>
<footer>Version {version}</footer></main>
</html>
"""
EMPTY = '<tr><td colspan="3">No calls yet.</td></tr>'
STYLE = """:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 0 } main { max-width: 48rem; margin: 3rem auto; padding: 0 1rem }
table { width: 100%; border-collapse: collapse } th, td { text-align: left; padding: .5rem .75rem }
tbody tr { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent) }
footer { margin-top: 2rem; opacity: .7; font-size: .875rem }
"""
