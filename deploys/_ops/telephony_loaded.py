"""What Asterisk says when it holds its files, for the program on the host."""

from __future__ import annotations

import json
from typing import Any

from deploys._ops.telephony import Exchange


def loaded(exchange: Exchange) -> dict[str, Any]:
    """Return what Asterisk says when it holds its files, for the program on the host."""
    endpoints = {
        line.name: {
            "context": line.context,
            "transport": line.transport,
            "identify_by": "ip",
            "allow": f"({'|'.join(line.codecs.split(','))})",
            "direct_media": "false",
            "rtp_symmetric": "true",
            "force_rport": "true",
            "allow_transfer": "false",
            "acl": "deny/permit" if line.permitted else "",
        }
        for line in exchange.lines
    }
    identified = {
        line.name: [str(each) for each in line.addresses] for line in exchange.lines if line.addresses
    }
    registrations = sorted(line.name for line in exchange.lines if line.registers)
    transports = {name: f"0.0.0.0:{exchange.port_of(name)}" for name in exchange.transports}
    return {
        "endpoints": endpoints,
        "identified": identified,
        "registrations": registrations,
        "transports": transports,
        "dialplan": exchange.dialplan_digest,
        "ports": [exchange.ports.first, exchange.ports.last],
        "drain": exchange.drain,
        "tls": exchange.declared.tls_name,
        "kept": {
            tenant.name: {"days": tenant.recording.days, "quota_mb": tenant.recording.quota_mb}
            for tenant in exchange.declared.tenants
            if tenant.recording
        },
    }


def described(exchange: Exchange) -> str:
    """Return the same as a file."""
    return json.dumps(loaded(exchange), indent=1) + "\n"
