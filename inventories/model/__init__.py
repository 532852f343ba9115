"""The model: an environment of servers as one typed, frozen value."""

from inventories.model.asterisk import Asterisk
from inventories.model.certbot import Certbot
from inventories.model.certificate import Certificate
from inventories.model.compose import Build, Compose, Container, Health, Migration, Published, Stack
from inventories.model.database import Database
from inventories.model.docker import Docker
from inventories.model.environment import Environment
from inventories.model.fail2ban import Fail2ban
from inventories.model.firewall import Firewall, Forward
from inventories.model.host import Host
from inventories.model.ipsec import Certificates, EspProposal, IkeProposal
from inventories.model.journal import Journal
from inventories.model.load import checked, environment_names, load, stood_in
from inventories.model.nginx import AuthUser, BasicAuth, Files, Nginx, Proxy, Rate, Site
from inventories.model.openssh import OpenSsh
from inventories.model.problem import ModelError, Problem, lines, refusal
from inventories.model.record import Record, Service
from inventories.model.release import RELEASES, Release
from inventories.model.ssh import Ssh
from inventories.model.strongswan import Peer, Strongswan
from inventories.model.swap import Swap
from inventories.model.sysctl import Sysctl
from inventories.model.tenant import Ami, AmiUser, Ari, Emergency, Recording, Route, Tenant
from inventories.model.time import Time
from inventories.model.trunk import AddressTrunk, Limits, RegisteringTrunk, Trunk
from inventories.model.updates import Updates
from inventories.model.users import User, Users
from inventories.model.values import ControllerKey, Jail, Network, Opening, PortRange, PublicKey, Secret

__all__ = [
    "RELEASES",
    "AddressTrunk",
    "Ami",
    "AmiUser",
    "Ari",
    "Asterisk",
    "AuthUser",
    "BasicAuth",
    "Build",
    "Certbot",
    "Certificate",
    "Certificates",
    "Compose",
    "Container",
    "ControllerKey",
    "Database",
    "Docker",
    "Emergency",
    "Environment",
    "EspProposal",
    "Fail2ban",
    "Files",
    "Firewall",
    "Forward",
    "Health",
    "Host",
    "IkeProposal",
    "Jail",
    "Journal",
    "Limits",
    "Migration",
    "ModelError",
    "Network",
    "Nginx",
    "OpenSsh",
    "Opening",
    "Peer",
    "PortRange",
    "Problem",
    "Proxy",
    "PublicKey",
    "Published",
    "Rate",
    "Record",
    "Recording",
    "RegisteringTrunk",
    "Release",
    "Route",
    "Secret",
    "Service",
    "Site",
    "Ssh",
    "Stack",
    "Strongswan",
    "Swap",
    "Sysctl",
    "Tenant",
    "Time",
    "Trunk",
    "Updates",
    "User",
    "Users",
    "checked",
    "environment_names",
    "lines",
    "load",
    "refusal",
    "stood_in",
]
