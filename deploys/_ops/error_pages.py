"""Errors that nginx itself answers with, in words for the person who meets them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A status code and its page."""

    code: int
    title: str
    sentence: str


FAULTS = (
    Fault(400, "Bad request", "This request could not be understood."),
    Fault(401, "Password required", "This place is shown to those who have a password for it."),
    Fault(403, "Forbidden", "This place is not shown."),
    Fault(404, "Not found", "There is nothing at this address."),
    Fault(405, "Not possible", "This cannot be done at this address."),
    Fault(408, "Too slow", "The request did not arrive in time."),
    Fault(413, "Too large", "What was sent is larger than is taken here."),
    Fault(414, "Address too long", "The address is longer than is taken here."),
    Fault(416, "No such part", "There is no such part of this file."),
    Fault(429, "Too many requests", "Wait a moment, then try again."),
    Fault(431, "Header too large", "The request's header is larger than is taken here."),
    Fault(500, "Something went wrong", "The fault is on our side. Try again later."),
    Fault(502, "Not available", "The application does not answer at the moment. Try again in a minute."),
    Fault(503, "Not available", "The application takes no requests at the moment. Try again in a minute."),
    Fault(504, "Not available", "The application did not answer in time. Try again in a minute."),
)
