"""Faults on SIP's way to an office's PBX, which no ping shows: its own check finds each as the root cause."""

from __future__ import annotations

from dataclasses import replace

from prove.fault import Fault

CHECK = "strongswan.sip_reaches_the_pbx_behind_each_peer"
STACK = "/etc/trunkline/stacks/dialer"

PBX = (
    Fault(
        "pbx-silent",
        CHECK,
        "a PBX that answers pings and no SIP any more is found",
        "true",
        office=lambda twin, office: office.behind.mute(),
    ),
    Fault(
        "pbx-knows-nobody",
        CHECK,
        "a PBX that answers by SIP that it does not know us is found",
        "true",
        office=lambda twin, office: office.behind.forget(),
    ),
    Fault(
        "container-in-another-network",
        CHECK,
        "a container made anew by hand, which hears nothing of the PBX that its host reaches, is found",
        f"sed 's/network_mode: .*/network_mode: bridge/' {STACK}/compose.yaml > /tmp/by-hand.yaml;"
        f" docker compose -p dialer --project-directory {STACK} -f /tmp/by-hand.yaml"
        " up -d --no-deps --wait dialer",
        seconds=90,
    ),
)
FAULTS = tuple(replace(fault, host="vpn1") for fault in PBX)
