"""The E-model: what a listener would say of a call, from its delay and loss (ITU-T G.107, narrow band)."""

from __future__ import annotations

import math
from dataclasses import dataclass

PACKET_MS = 20.0
BUFFER_MS = 60.0
"""A fixed jitter buffer: what comes later than this after the fastest packet is lost to the listener."""
G711_PLC_BPL = 25.1
"""How well G.711 with loss concealment bears random loss (ITU-T G.113 appendix I); 4.3 without."""


@dataclass(frozen=True)
class Line:
    """What is not measured: G.107's default values (table 2)."""

    slr: float = 8.0
    rlr: float = 2.0
    stmr: float = 15.0
    lstr: float = 18.0
    ds: float = 3.0
    telr: float = 65.0
    wepl: float = 110.0
    qdu: float = 1.0
    nc: float = -70.0
    nfor: float = -64.0
    ps: float = 35.0
    pr: float = 35.0


@dataclass(frozen=True)
class Quality:
    """R from 0 to 100 and MOS from 1 to 4.5, with what was taken for granted."""

    r: float
    mos: float
    one_way_ms: float
    loss: float
    """Share of packets that a listener would have missed, the late ones among them."""
    assumptions: tuple[str, ...]


def quality(round_trip_ms: float, loss: float, burst: float = 1.0) -> Quality:
    """Return the quality of a call; `loss` from 0 to 1, `burst` how many losses stand together (BurstR)."""
    one_way = round_trip_ms / 2 + PACKET_MS + BUFFER_MS
    r = rating(one_way, 100 * loss, burst)
    return Quality(
        round(r, 1), round(opinion(r), 2), round(one_way, 1), round(loss, 4),
        (
            "ITU-T G.107 narrow band with its default values for all that is not named here",
            "G.711 with loss concealment: Ie 0, Bpl 25.1 (G.113 appendix I)",
            f"one way is half the round trip, {PACKET_MS:.0f} ms of packet and {BUFFER_MS:.0f} ms of buffer",
            "the loss of both directions is taken for one, and late packets for lost",
        ),
    )  # fmt: skip


def rating(one_way_ms: float, loss_percent: float, burst: float = 1.0, line: Line | None = None) -> float:
    """Return the transmission rating R = Ro - Is - Id - Ie,eff (G.107 section 7.1)."""
    line = line or Line()
    no = _noise(line)
    ro = 15 - 1.5 * (line.slr + no)
    loss = 95 * loss_percent / (loss_percent / max(1.0, burst) + G711_PLC_BPL)
    return max(0.0, ro - _simultaneous(line, no, ro, one_way_ms) - _delay(line, no, ro, one_way_ms) - loss)


def opinion(r: float) -> float:
    """Return the mean opinion score of a rating (G.107 annex B)."""
    if r <= 0:
        return 1.0
    return 4.5 if r >= 100 else max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def _noise(line: Line) -> float:
    """Return No, the power of all noise at the 0 dBr point (section 7.2)."""
    olr = line.slr + line.rlr
    sending = line.ps - line.slr - line.ds
    nos = sending - 100 + 0.004 * (line.ps - olr - line.ds - 14) ** 2
    pre = line.pr + 10 * math.log10(1 + 10 ** ((10 - line.lstr) / 10))
    nor = line.rlr - 121 + pre + 0.008 * (pre - 35) ** 2
    return 10 * math.log10(sum(10 ** (n / 10) for n in (line.nc, nos, nor, line.nfor + line.rlr)))


def _simultaneous(line: Line, no: float, ro: float, t: float) -> float:
    """Return Is: too loud, a wrong side tone, quantizing (section 7.3)."""
    xolr = line.slr + line.rlr + 0.2 * (64 + no - line.rlr)
    iolr = 20 * (_knee(xolr / 8, 8) - xolr / 8)
    stmro = -10 * math.log10(10 ** (-line.stmr / 10) + math.exp(-t / 4) * 10 ** (-line.telr / 10))
    ist = 12 * _knee((stmro - 13) / 6, 8) - 28 * _knee((stmro + 1) / 19.4, 35)
    ist += 29 - 13 * _knee((stmro - 3) / 33, 13)
    q = 37 - 15 * math.log10(line.qdu)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    y, z = (ro - 100) / 15 + 46 / 8.4 - g / 9, 46 / 30 - g / 40
    return iolr + ist + 15 * math.log10(1 + 10**y + 10**z)


def _delay(line: Line, no: float, ro: float, t: float) -> float:
    """Return Id: echo to the talker, echo to the listener, and the delay itself (section 7.4)."""
    terv = line.telr - 40 * math.log10((1 + t / 10) / (1 + t / 150)) + 6 * math.exp(-0.3 * t**2)
    apart = -1.5 * (no - line.rlr) - (80 + 2.5 * (terv - 14))
    talker = (apart / 2 + math.sqrt(apart**2 / 4 + 100) - 1) * (1 - math.exp(-t))
    apart = ro - 10.5 * (line.wepl + 7) * math.pow(2 * t + 1, -0.25)
    listener = apart / 2 + math.sqrt(apart**2 / 4 + 169)
    if t <= 100:
        return talker + listener
    x = math.log2(t / 100)
    return talker + listener + 25 * (_knee(x, 6) - 3 * _knee(x / 3, 6) + 2)


def _knee(x: float, power: int) -> float:
    """Return what the model bends its curves with: 1 for small values, then the value itself."""
    return math.pow(1 + math.pow(x, power), 1 / power)
