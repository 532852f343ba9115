"""The two Redis servers: the broker beside us, and the managed cache over TLS."""

from __future__ import annotations

import ssl
from functools import lru_cache

from redis import Redis

from shop.settings import settings

BEAT = "beat:tick"
"""Where the beat leaves the time at which it last asked for a tick (seconds since 1970)."""
SECONDS = 2.0
"""How long a Redis may take before it counts as gone."""


@lru_cache
def broker() -> Redis:
    """Return the stack's own Redis, which carries the worker's tasks."""
    return Redis.from_url(
        settings().broker, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, decode_responses=True
    )


@lru_cache
def cache() -> Redis:
    """Return the managed Redis; its certificate must be our CA's and bear its name."""
    server = settings().cache
    return Redis(
        host=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        ssl=True,
        ssl_ca_certs=server.ca,
        ssl_cert_reqs=ssl.CERT_REQUIRED,
        ssl_check_hostname=True,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        decode_responses=True,
    )
