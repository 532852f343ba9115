"""What a check may ask for: the declared records, and what was seen from each place."""

from __future__ import annotations

from typing import Any

import pytest
import testinfra

from inventories.model import Environment, Host
from verify import calls, crossing, looks, sip_asked, udp_openings, web
from verify.by_sip import BySip
from verify.by_sip import by_sip as look_by_sip
from verify.calls import Made, Rung
from verify.crossing import Arrival
from verify.looks import Answers
from verify.observed import Observed
from verify.probes.dns import Answer
from verify.probes.ssh import Offer
from verify.run import RUN
from verify.seen_ports import Ports
from verify.sip_asked import Asked
from verify.snapshot import Snapshot
from verify.udp_openings import UdpSeen
from verify.vantage import Vantage
from verify.web import Replies, Sockets


@pytest.fixture(scope="session")
def observed(pytestconfig: pytest.Config) -> Observed:
    """Everything that this run looks at."""
    found = pytestconfig.stash[RUN].observed
    assert found is not None, "the run has begun"
    return found


@pytest.fixture(scope="session")
def environment(observed: Observed) -> Environment:
    """The declared environment."""
    return observed.environment


@pytest.fixture
def evidence() -> dict[str, Any]:
    """What a check wants kept in the report beside its verdict."""
    return {}


@pytest.fixture
def causes(pytestconfig: pytest.Config, declared: Host) -> dict[str, str]:
    """The root causes that this run has found on the host so far, by service."""
    return pytestconfig.stash[RUN].report.causes(declared.name)


@pytest.fixture
def live(observed: Observed, declared: Host) -> Snapshot:
    """The host as it shows itself from inside."""
    return observed.snapshot(declared)


@pytest.fixture
def asked_now(observed: Observed, declared: Host) -> Snapshot:
    """What the host's applications and databases answer when they are asked; it takes seconds."""
    return observed.get("asked_now", declared, looks.asked_now)


@pytest.fixture
def box(observed: Observed, declared: Host) -> Any:
    """testinfra's host, over the connection that is open anyway, as root."""
    connection = observed.connection(declared)
    return testinfra.get_host(
        f"ssh://{declared.name}",
        ssh_config=str(observed.way.joining),
        controlpath=str(observed.way.socket(declared)),
        sudo=connection.user != "root",
    )


@pytest.fixture
def offers(observed: Observed, declared: Host) -> dict[str, Offer | str]:
    """What sshd offers on each address, as the controller sees it; a string says why nothing was heard."""
    return observed.get("offers", declared, looks.offers)


@pytest.fixture
def password_login(observed: Observed, declared: Host) -> Answers:
    """What sshd answers to a password that is tried from outside."""
    return observed.get("password_login", declared, looks.password_login)


@pytest.fixture
def stranger_ports(observed: Observed, declared: Host) -> dict[str, Ports]:
    """TCP ports as a stranger sees them, by address."""
    return observed.get("stranger_ports", declared, looks.stranger_ports)


@pytest.fixture
def udp_seen(observed: Observed, declared: Host) -> UdpSeen:
    """The declared UDP ports, proven from every place; nothing where none is declared."""
    return observed.get("udp_seen", declared, udp_openings.udp_seen)


@pytest.fixture
def root_login(observed: Observed, declared: Host) -> str:
    """What sshd answers the controller's own key for root."""
    return observed.get("root_login", declared, looks.root_login)


@pytest.fixture
def sockets(observed: Observed, declared: Host) -> Sockets:
    """What TLS on port 443 takes and serves, by name and address, as the world sees it."""
    return observed.get("sockets", declared, web.sockets)


@pytest.fixture
def replies(observed: Observed, declared: Host) -> tuple[Replies, ...]:
    """What the sites answer, for each address, as the world sees it."""
    return observed.get("replies", declared, web.replies)


@pytest.fixture
def resolved(observed: Observed, declared: Host) -> tuple[Answer, ...]:
    """What the controller's name server says of the certificates' names."""
    return observed.get("resolved", declared, web.resolved)


@pytest.fixture
def through(observed: Observed, declared: Host) -> list[dict[str, Any]]:
    """What the host itself hears through its tunnels, and what their SAs have counted of it."""
    return observed.get("through", declared, crossing.through)


@pytest.fixture
def arrivals(observed: Observed, declared: Host) -> tuple[Arrival, ...]:
    """How connections through the tunnels arrive on the far side."""
    return observed.get("arrivals", declared, crossing.arrivals)


@pytest.fixture
def introductions(observed: Observed, declared: Host) -> dict[str, list[dict[str, Any]]]:
    """What IKE answers, by the peer from whose address it was asked."""
    return observed.get("introductions", declared, crossing.introductions)


@pytest.fixture
def on_the_cable(observed: Observed, declared: Host) -> dict[str, Any]:
    """What passed the host's own cable while both sides talked through the tunnels."""
    return observed.get("on_the_cable", declared, crossing.on_the_cable)


@pytest.fixture
def by_sip(observed: Observed, declared: Host) -> tuple[BySip, ...]:
    """What the PBX behind each tunnel answers by SIP; asked when a check wants it, beside nothing else."""
    return observed.get("by_sip", declared, look_by_sip)


@pytest.fixture
def outside(observed: Observed) -> Vantage:
    """The stranger's place in the network."""
    return looks.stranger(observed)


@pytest.fixture
def asked_by_sip(observed: Observed, declared: Host) -> Asked:
    """What SIP answers to the controller, the carriers and a stranger."""
    return observed.get("asked_by_sip", declared, sip_asked.sip_asked)


@pytest.fixture
def echoed(observed: Observed, declared: Host) -> dict[str, Any]:
    """What a call to the echo came to."""
    return observed.get("echoed", declared, calls.echoed)


@pytest.fixture
def rung(observed: Observed, declared: Host) -> tuple[Rung, ...]:
    """What became of a call to each number, by the carrier that brings it."""
    return observed.get("rung", declared, calls.rung)


@pytest.fixture
def made(observed: Observed, declared: Host) -> tuple[Made, ...]:
    """What became of a call by each route."""
    return observed.get("made", declared, calls.made)
