"""The worker's tasks, and the beat that asks for a tick every five seconds."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.signals import after_task_publish
from redis import RedisError
from sqlalchemy import update
from sqlalchemy.orm import Session

from shop.database import Order, Tick, engine
from shop.settings import settings
from shop.stores import BEAT, SECONDS, broker

log = logging.getLogger(__name__)
EVERY = 5.0

app = Celery("shop", broker=settings().broker)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,  # a task that its worker did not finish is given to the next one
    worker_prefetch_multiplier=1,
    task_publish_retry=False,  # a request does not wait for a broker that is gone
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "socket_timeout": 10 * SECONDS,
        "socket_connect_timeout": SECONDS,
        "max_retries": 1,  # the default makes who orders wait six seconds
        "interval_start": 0,
    },
    beat_schedule={
        "tick": {"task": "shop.tasks.tick", "schedule": EVERY, "options": {"expires": 4 * EVERY}},
    },
)


def confirm_open(session: Session) -> int:
    """Confirm every order that is not yet, and return how many."""
    waiting = update(Order).where(Order.confirmed.is_(None)).values(confirmed=datetime.now(UTC))
    count = len(session.scalars(waiting.returning(Order.id)).all())
    session.commit()
    return count


def note_tick(session: Session, name: str) -> None:
    """Write down that a part is alive."""
    session.merge(Tick(name=name, at=datetime.now(UTC)))
    session.commit()


@app.task
def confirm() -> None:
    """Confirm what was ordered."""
    with Session(engine()) as session:
        confirm_open(session)


@app.task
def tick() -> None:
    """Show that the worker works, and confirm what was ordered while the broker was away."""
    with Session(engine()) as session:
        note_tick(session, "worker")
        confirm_open(session)


@after_task_publish.connect(sender="shop.tasks.tick")
def _note_beat(**_: Any) -> None:
    """Only the beat asks for ticks: that it did is its sign of life, whether or not a worker runs."""
    try:
        broker().set(BEAT, f"{time.time():.3f}")
    except RedisError as error:
        log.warning("The beat's tick could not be kept: %s", error)
