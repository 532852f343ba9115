"""Faults of tunnels, on the host or in the office: each is found, by its own check, as the root cause."""

from __future__ import annotations

from dataclasses import replace

from prove.fault import Fault

PEERS = "/etc/swanctl/conf.d/*.conf"
SETTINGS = "/etc/strongswan.d/trunkline.conf"
LOAD = "swanctl --load-conns > /dev/null"
NAME = "$(swanctl --list-conns | grep -o '^[a-z][a-z0-9]*' | head -n 1)"
AGAIN = f"swanctl --terminate --force --timeout 3 --ike {NAME} > /dev/null || true"
UP = (
    "for n in $(seq 40); do swanctl --list-sas | grep -q INSTALLED && exit 0; sleep 0.5; done;"
    " swanctl --list-sas; exit 1"
)
REMOTE, LOCAL, PBX = "192.168.150.0/24", "10.10.10.0/24", "192.168.150.10"
ROUTER = "$(ip route show default | cut -d' ' -f3)"
TABLE = "inet trunkline_tunnels"
METRIC = "metric 4278198272"


def edited(*expressions: str, path: str = PEERS) -> str:
    """Edit the peers' files as one does in a hurry, and have the daemon take them on."""
    words = " ".join(f"-e '{expression}'" for expression in expressions)
    return f"sed -i {words} {path} && {LOAD}"


def without(chain: str, word: str) -> str:
    """Delete the rules of a chain of ours in which a word stands."""
    handles = f"nft -a list chain {TABLE} {chain} | grep '{word}' | grep -o 'handle [0-9]*$'"
    return f"{handles} | while read each; do nft delete rule {TABLE} {chain} $each; done"


def before(chain: str, rule: str) -> str:
    """Put a rule before ours."""
    return f"nft insert rule {TABLE} {chain} {rule}"


_AUTHORITY = (
    r"[ca]\ndefault_ca = d\n[d]\ndatabase = /tmp/index\nserial = /tmp/serial\nnew_certs_dir = /tmp\n"
    r"default_md = sha256\npolicy = p\n[p]\ncommonName = optional\n[e]\nsubjectAltName = DNS:%s\n"
)
_EXPIRED = (
    "cd /etc/swanctl; peer=$(basename x509/*.pem .pem); : > /tmp/index; echo 01 > /tmp/serial;"
    f" printf '{_AUTHORITY}' $(hostname).lab.example > /tmp/ca.cnf;"
    " openssl req -new -key private/$peer.pem -subj /CN=expired -out /tmp/request.pem &&"
    " openssl ca -batch -notext -selfsign -config /tmp/ca.cnf -extensions e -keyfile private/$peer.pem"
    " -startdate 20250101000000Z -enddate 20250401000000Z -in /tmp/request.pem -out /tmp/made.pem"
    " 2> /dev/null && cat /tmp/made.pem > x509/$peer.pem &&"
    " swanctl --load-creds --clear --noprompt > /dev/null"
)
"""A certificate of ours that ended long ago, in the place of the right one."""


DAEMON = (
    Fault(
        "strongswan-stopped",
        "strongswan.daemon_answers",
        "a stopped strongSwan is named as such, not as a dead peer",
        "systemctl stop trunkline-tunnels-up.timer strongswan",
    ),
    Fault(
        "strongswan-settings-by-hand",
        "strongswan.daemon_runs_its_present_settings",
        "settings that the daemon has not read are found",
        "sleep 1; echo '# by hand' > /etc/strongswan.d/zz-by-hand.conf",
    ),
    Fault(
        "connection-by-hand",
        "strongswan.connections_are_exactly_the_declared",
        "a connection that was changed and loaded by hand is found while its old tunnel still stands",
        edited("s/dpd_delay = .*/dpd_delay = 300s/"),
    ),
    Fault(
        "connection-undeclared",
        "strongswan.connections_are_exactly_the_declared",
        "a connection that nobody declared is found",
        "echo 'connections { byhand { remote_addrs = 192.0.2.99 } }' >> /etc/swanctl/swanctl.conf;" + LOAD,
    ),
    Fault(
        "duplicate-sas",
        "strongswan.each_pair_of_networks_has_one_child",
        "two ends that begin anew what the other ends, and never come to rest, are found",
        "for n in $(seq 6); do systemctl restart strongswan; for m in $(seq 8); do sleep 0.5;"
        " [ $(swanctl --list-sas | grep -c INSTALLED) -gt 1 ] && exit 0; done; done; exit 1",
        office=lambda twin, office: office.reload(restarts=True),
    ),
)
PEER = (
    Fault(
        "psk-wrong",
        "strongswan.tunnels_are_up",
        "an office with another pre-shared key is found",
        "true",
        office=lambda twin, office: office.reload(psk="another"),
    ),
    Fault(
        "peer-id-other",
        "strongswan.tunnels_are_up",
        "an office that calls itself something else is found",
        "true",
        office=lambda twin, office: office.reload(id="192.168.77.77"),
    ),
    Fault(
        "selectors-other",
        "strongswan.tunnels_are_up",
        "an office whose console names other networks is found",
        "true",
        office=lambda twin, office: office.reload(local=("192.168.151.0/24",)),
    ),
    Fault(
        "peer-certificate-expired",
        "strongswan.certificates_have_life_left",
        "an office whose certificate has expired is named as such, not as one that does not answer",
        "true",
        host="vpn2",
        office=lambda twin, office: office.reload(expired=True),
    ),
    Fault(
        "ufw-without-4500",
        "firewall.kernel_admits_exactly_the_declared",
        "a firewall that lets no encapsulated ESP in is found while the tunnel still lives on a known flow",
        "sed -i '/4500/d' /etc/ufw/user.rules; ufw reload > /dev/null",
    ),
    Fault(
        "proposal-other",
        "strongswan.associations_are_as_declared",
        "a tunnel that came up with a weaker cipher than declared is found",
        f"{edited('s/esp_proposals = aes256/esp_proposals = aes128/')}; {AGAIN}; sleep 1; {UP}",
        office=lambda twin, office: office.reload(esp="aes128-sha256"),
    ),
    Fault(
        "reqid-shared",
        "strongswan.associations_are_as_declared",
        "two children of one number, which send what belongs to the one by the other's SA, are found",
        f"{edited('s/reqid = .*/reqid = 7/')}; {AGAIN}; sleep 12; {UP}",
        host="vpn2",
    ),
    Fault(
        "certificate-expiring",
        "strongswan.certificates_have_life_left",
        "a certificate of ours that has expired is found while its tunnel still stands",
        _EXPIRED,
        host="vpn2",
    ),
)
WAYS = (
    Fault(
        "tunnel-address-gone",
        "strongswan.own_address_is_inside_the_tunnels",
        "a host without its own address in the tunnel is found",
        "ip address del $(ip -br -4 address show eth1 | grep -o '10[0-9./]*') dev eth1",
    ),
    Fault(
        "tunnel-route-gone",
        "strongswan.routes_lead_into_the_tunnels",
        "a tunnel that is up and to which no route leads is found",
        "ip route flush table 220",
    ),
    Fault(
        "forwarding-off",
        "strongswan.every_interface_forwards",
        "an interface that forwards nothing is found although the host as a whole does",
        "sysctl -qw net.ipv4.conf.eth1.forwarding=0",
    ),
    Fault(
        "leak-route-gone",
        "strongswan.remote_networks_are_unreachable_without_a_tunnel",
        "a way in clear that would open when the tunnel is down is found while it is up",
        f"ip route del unreachable {REMOTE} {METRIC}",
    ),
    Fault(
        "leak-drop-gone",
        "strongswan.what_belongs_into_a_tunnel_is_dropped_elsewhere",
        "a missing drop of what would leave in clear is found while nothing leaves",
        without("sent", "drop"),
    ),
)
TRAFFIC = (
    Fault(
        "far-side-silent",
        "strongswan.somebody_behind_each_peer_answers",
        "a tunnel that is up and behind which nobody answers is found",
        "true",
        office=lambda twin, office: twin.cut(office.office.pbx),
    ),
    Fault(
        "answered-by-another",
        "strongswan.counters_rise_by_what_is_sent",
        "answers that did not come through the tunnel are found",
        f"ip address add {PBX}/32 dev lo; {before('sent', 'oifname lo accept')};"
        f" {before('arriving', 'iifname lo accept')}",
    ),
    Fault(
        "tunnel-mtu-other",
        "strongswan.packets_of_the_declared_size_fit",
        "a tunnel that takes smaller packets than declared is found",
        "ip route replace table 220 $(ip route show table 220 | sed 's/mtu [0-9]*/mtu 1300/')",
    ),
    Fault(
        "neighbour-cut-off",
        "strongswan.neighbours_reach_the_far_side",
        "a neighbour that the tunnel does not reach is found although the host itself is",
        "ip neigh flush dev eth1; for n in $(seq 2 9); do"
        " ip neigh replace 10.10.10.$n lladdr 02:00:00:00:00:99 dev eth1 nud permanent; done",
    ),
    Fault(
        "translated-into-the-tunnel",
        "strongswan.sources_arrive_untranslated",
        "a source that is translated on its way into the tunnel is found where it arrives",
        f"nft delete chain {TABLE} untranslated;"
        f" iptables -t nat -A POSTROUTING -s {LOCAL} -d {REMOTE} -j SNAT --to-source 10.10.10.1",
        also=("firewall.no_other_table_decides",),
    ),
    Fault(
        "mss-clamp-lost",
        "strongswan.segments_are_clamped_to_fit",
        "a missing MSS clamp is found in the SYN at the far side",
        without("passed", "maxseg"),
    ),
    Fault(
        "sent-in-clear",
        "strongswan.nothing_passes_the_cable_in_clear",
        "datagrams that leave in clear while the tunnel is up are found on the cable",
        f"ip route add {REMOTE} via {ROUTER} table 99;"
        f" ip rule add pref 100 ipproto udp dport 5060 to {REMOTE} lookup 99;"
        f" {before('sent', 'ip protocol udp accept')}",
    ),
    Fault(
        "weak-proposal-by-hand",
        "strongswan.ike_takes_the_declared_proposal_and_no_weak_one",
        "a weak proposal that was added for an old gateway is found on the wire",
        edited("s/ proposals = .*/&, aes256-sha1-modp2048/"),
    ),
    Fault(
        "encapsulation-not-forced",
        "strongswan.ike_takes_the_declared_proposal_and_no_weak_one",
        "ESP that would come without UDP around it, to a firewall that knows ports only, is found before",
        # charon's own ESP is always in UDP: without it the daemon says what its file says.
        f"sed -i 's/encap = yes/encap = no/' {PEERS}; sed -i 's/load = yes/load = no/' {SETTINGS};"
        " systemctl restart strongswan; sleep 2; swanctl --list-conns | grep -q '^[a-z]'",
    ),
    Fault(
        "strong-proposal-lost",
        "strongswan.ike_takes_the_declared_proposal_and_no_weak_one",
        "a proposal that would no longer be accepted is found while the tunnel still stands",
        edited("s/ proposals = .*/ proposals = aes256-sha512-modp4096/"),
    ),
)
UPSETS = (
    Fault(
        "pfs-one-sided",
        "strongswan.keys_are_renewed_while_packets_pass",
        "PFS on one side only, which comes up, pings and dies at the first rekeying, is found before that",
        f"sleep 1; {UP}",
        office=lambda twin, office: office.reload(pfs=None),
    ),
    Fault(
        "retransmission-by-default",
        "strongswan.crashed_peer_is_missed_and_called_again",
        "a daemon that would miss a crashed peer for minutes is found",
        f"sed -i '/retransmit/d' {SETTINGS}; systemctl restart strongswan; sleep 2; {UP}",
    ),
    Fault(
        "leaks-while-down",
        "strongswan.nothing_leaks_while_a_tunnel_is_down",
        "a way in clear that opens only with the tunnel down is found on the cable",
        f"ip route add 192.168.150.0/25 via {ROUTER}; {before('sent', 'oifname eth0 accept')};"
        f" {before('passed', 'oifname eth0 accept')}",
    ),
    Fault(
        "guessable-key-by-hand",
        "strongswan.who_cannot_prove_to_be_the_peer_is_refused",
        "a key that anybody would guess is found by really calling with it",
        "sed -i 's/secret = .*/secret = 12345678/' /etc/swanctl/conf.d/*-secrets.conf;"
        " swanctl --load-creds --clear --noprompt > /dev/null",
    ),
)
FAULTS = (
    *(replace(f, host=f.host if f.host == "vpn2" else "vpn1") for f in (*DAEMON, *PEER, *WAYS, *TRAFFIC)),
    *(replace(fault, host="vpn1", disruptive=True, seconds=90) for fault in UPSETS),
)
