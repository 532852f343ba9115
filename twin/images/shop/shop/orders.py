"""Orders over HTTP: list them, place one, look at one with its receipt."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from kombu.exceptions import OperationalError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.database import Order, session
from shop.settings import settings
from shop.signature import holds, sign
from shop.tasks import confirm

log = logging.getLogger("uvicorn.error")
router = APIRouter(prefix="/api/orders")
Database = Annotated[Session, Depends(session)]


class Wish(BaseModel):
    """What a customer asks for."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    customer: str = Field(min_length=1, max_length=80)
    item: str = Field(min_length=1, max_length=80)
    quantity: int = Field(default=1, ge=1, le=1000)


class Placed(BaseModel):
    """An order as everybody may see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    item: str
    quantity: int
    created: datetime
    confirmed: datetime | None


class Receipt(Placed):
    """An order as the customer who placed it sees it."""

    customer: str
    receipt: str
    """Proves to us that its holder placed the order."""


def _receipt(order: Order) -> Receipt:
    public = Placed.model_validate(order).model_dump()
    return Receipt(**public, customer=order.customer, receipt=sign(settings().secret_key, _name(order.id)))


def _name(number: int) -> bytes:
    return f"order {number}".encode()


@router.get("")
def latest(session: Database, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[Placed]:
    """Return the newest orders, without who placed them."""
    found = session.scalars(select(Order).order_by(Order.id.desc()).limit(limit))
    return [Placed.model_validate(order) for order in found]


@router.post("", status_code=201)
def place(wish: Wish, session: Database) -> Receipt:
    """Keep an order and ask the worker to confirm it."""
    order = Order(customer=wish.customer, item=wish.item, quantity=wish.quantity)
    session.add(order)
    session.commit()
    try:
        confirm.delay()
    except OperationalError as error:
        log.warning("The broker does not answer; the next tick confirms order %d: %s", order.id, error)
    return _receipt(order)


@router.get("/{number}")
def one(number: int, receipt: str, session: Database) -> Receipt:
    """Return an order to whoever holds its receipt; to anybody else it does not exist."""
    order = session.get(Order, number) if holds(settings().secret_key, _name(number), receipt) else None
    if order is None:
        raise HTTPException(404, "There is no such order with this receipt.")
    return _receipt(order)
