"""strongSwan on a host, set up as a person would by hand: the offices are tried, not the deploy."""

from __future__ import annotations

from collections.abc import Mapping

from inventories.model import Host
from inventories.model.strongswan import Peer
from twin.twin import Twin

INSTALL = (
    "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "
    "charon-systemd strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins"
)
BEGIN = (
    "sysctl -qw net.ipv4.ip_forward=1 && ip addr replace {address} dev {interface} && "
    "ip link set {interface} up && systemctl restart strongswan && swanctl --load-all --noprompt"
)
CONNECTION = """\
connections {{
  {name} {{
    version = 2
    local_addrs = {own}
    remote_addrs = {address}
    proposals = aes256-sha256-modp2048
    encap = yes
    mobike = no
    local {{
      auth = {way}
      {certificate}
      id = {own_id}
    }}
    remote {{
      auth = {way}
      id = {id}
    }}
    children {{
      {name} {{
        local_ts = {local}
        remote_ts = {remote}
        esp_proposals = aes256-sha256-modp2048
      }}
    }}
  }}
}}
"""
SHARED = """\
secrets {{
  ike-{name} {{
    id = {id}
    secret = "{psk}"
  }}
}}
"""


def configure(twin: Twin, host: Host, secrets: Mapping[str, str]) -> None:
    """Install strongSwan on a host and load its peers, by files of our own."""
    assert host.strongswan
    for peer in host.strongswan.peers:
        twin.write(host.name, f"/etc/swanctl/conf.d/{peer.name}.conf", _text(host, peer, secrets), 0o600)
        if its := peer.certificates:
            for place, secret in (("x509ca", its.ca), ("x509", its.certificate), ("private", its.key)):
                path = f"/etc/swanctl/{place}/{secret.name}.pem"
                twin.write(host.name, path, secrets[secret.name], 0o600)
    twin.write(host.name, "/etc/strongswan.d/charon/kernel-libipsec.conf", "kernel-libipsec { load = yes }\n")


def begin(twin: Twin, host: Host) -> None:
    """Give a host its private address and start its daemon."""
    assert host.strongswan
    script = BEGIN.format(address=host.strongswan.address, interface=host.strongswan.interface)
    done = twin.run(host.name, script)
    assert done.returncode == 0, done.stderr[-800:]


def _text(host: Host, peer: Peer, secrets: Mapping[str, str]) -> str:
    its = peer.certificates
    text = CONNECTION.format(
        name=peer.name,
        own=host.address.ip,
        address=peer.address,
        way="pubkey" if its else "psk",
        certificate=f"certs = {its.certificate.name}.pem" if its else "",
        own_id=peer.own_id(host),
        id=peer.id,
        local=peer.local[0],
        remote=peer.remote[0],
    )
    shared = SHARED.format(name=peer.name, id=peer.id, psk=secrets[peer.psk.name]) if peer.psk else ""
    return text + shared
