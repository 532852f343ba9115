"""The model: an environment of servers as one typed, frozen value."""

from inventories.model.environment import Environment
from inventories.model.fail2ban import Fail2ban
from inventories.model.firewall import Firewall, Forward
from inventories.model.host import Host
from inventories.model.journal import Journal
from inventories.model.load import checked, environment_names, load, stood_in
from inventories.model.openssh import OpenSsh
from inventories.model.problem import ModelError, Problem, lines, refusal
from inventories.model.record import Record, Service
from inventories.model.release import RELEASES, Release
from inventories.model.ssh import Ssh
from inventories.model.swap import Swap
from inventories.model.sysctl import Sysctl
from inventories.model.time import Time
from inventories.model.updates import Updates
from inventories.model.users import User, Users
from inventories.model.values import ControllerKey, Jail, Network, Opening, PortRange, PublicKey, Secret

__all__ = [
    "RELEASES",
    "ControllerKey",
    "Environment",
    "Fail2ban",
    "Firewall",
    "Forward",
    "Host",
    "Jail",
    "Journal",
    "ModelError",
    "Network",
    "OpenSsh",
    "Opening",
    "PortRange",
    "Problem",
    "PublicKey",
    "Record",
    "Release",
    "Secret",
    "Service",
    "Ssh",
    "Swap",
    "Sysctl",
    "Time",
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
