"""Serve a host that does not exist: pyinfra's fake connector answers the facts and records the commands."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from pyinfra.api.command import FileUploadCommand, FunctionCommand
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State, StateStage
from pyinfra.context import ctx_config, ctx_host, ctx_state

from deploys import certbot, compose, nginx, site
from deploys._engine import images, report, secrets
from deploys._ops import certificates as certificates_of_ours
from deploys._ops import password, site_files
from deploys._ops.managed import ManagedFile
from inventories.model import Build, Environment, Host, User

PASSWORD = "correct horse battery staple"
"""The value of every secret."""
FACTS = {
    "files": "Tell which paths differ",
    "accounts": "Tell who may log in here",
    "system": "Tell a system's state",
    "stacks": "Tell what containers are made of",
    "digests": "Ask registries which digest",
    "served": "Tell which configuration nginx runs",
    "certificates": "Tell which certificates daemons find",
    "tunnels": "Tell what ESP can be done with",
    "telephony": "Tell whether Asterisk holds",
}
DIGEST = f"sha256:{'d' * 64}"
"""What every reference means to its registry."""
BUILT = f"sha256:{'b' * 64}"
"""The image of every build."""


@dataclass
class Seen:
    """What a host answers; by itself a host that is exactly as declared."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)
    stacks: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, Any] = field(default_factory=dict)
    served: dict[str, Any] = field(default_factory=dict)
    certificates: dict[str, Any] = field(default_factory=dict)
    tunnels: dict[str, bool] = field(default_factory=dict)
    telephony: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """What was planned for a host and what was then done to it, by step."""

    plan: dict[str, report.Report]
    commands: dict[str, list[str]]

    def changes(self) -> list[str]:
        """Return the steps that planned to change something."""
        return [step for step, said in self.plan.items() if said.kind != "none"]


def account(name: str, uid: int = 1000, **changes: Any) -> dict[str, Any]:
    """Return an account as it must be."""
    home = "/root" if name == "root" else f"/home/{name}"
    known = {"uid": uid, "gid": uid, "home": home, "shell": "/bin/bash", "locked": True, "expires": ""}
    known |= {"password": password.digest("*"), "home_directory": {"uid": uid, "mode": "0755"}}
    return {**known, "groups": [], "keys": 1, **changes}


def converged(host: Host, environment: Environment) -> Seen:
    """Return the answers of a host that is exactly as declared."""
    running = {"LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active"}
    tried = {"ConditionResult": "yes", "ConditionTimestampMonotonic": "1"}
    secrets.load(values(environment))
    images.load(built(environment))
    return Seen(
        stacks=stacks(host),
        digests={"digests": {}, "problems": {}},
        served=served(host, environment),
        certificates=certificates(host, environment),
        tunnels={"esp": True, "tunnels": True, "charon": True},
        telephony={"loaded": True},
        files={},
        accounts={"root": account("root", 0, keys=0)}
        | {
            user.name: account(user.name, 1000 + place, **_password(user, host, environment))
            for place, user in enumerate(host.users.accounts)
        },
        system={
            "packages": {"missing": [], "broken": [], "lists_age": 60, "policy_left": False},
            "units": {unit: {**running, **tried} for unit in site.units_of(host)},
            "sysctls": {k: {"value": v, "settable": True} for k, v in host.sysctls(environment).items()},
            "swap": {
                "active": [host.swap.path] if host.swap else [],
                "size": host.swap.size_mb * 1024 * 1024 if host.swap else None,
            },
            "container": False,
            "firewall_loaded": True,
            "ssh_ports": [host.ssh.port],
            "manifest": {
                "format": 1,
                "resources": site.resources(host, environment, site.Found(pins(host), False)),
                "intended": None,
            },
        },
    )


def references(host: Host) -> list[str]:
    """Return the references of a host's images."""
    return [image for image in compose.images_of(host) if isinstance(image, str)]


def pins(host: Host) -> compose.Pins:
    """Return what the images of a host are here."""
    builds = [image for image in compose.images_of(host) if isinstance(image, Build)]
    return compose.Pins(
        dict.fromkeys(references(host), DIGEST), {images.key_of(build): BUILT for build in builds}
    )


def built(environment: Environment) -> dict[str, dict[str, str]]:
    """Return what the controller built for an environment."""
    found = (image for host in environment.hosts for image in compose.images_of(host))
    own = {"id": BUILT, "tag": "trunkline/shop:bbbbbbbbbbbb", "archive": "/dev/null"}
    return {images.key_of(image): own for image in found if isinstance(image, Build)}


def stacks(host: Host) -> dict[str, Any]:
    """Return what a host tells of images and stacks that are as declared."""
    return {
        "remembered": dict.fromkeys(references(host), DIGEST),
        "images": {**dict.fromkeys(references(host), f"sha256:{'1' * 64}"), BUILT: BUILT},
        "layers": [],
        "upstreams": {seed.path: True for seed in compose.seeds(host)},
        "stacks": {stack.name: {"services": {}, "todo": []} for stack in compose.declared(host)},
    }


def served(host: Host, environment: Environment) -> dict[str, Any]:
    """Return what a host tells of its web server when it serves what is declared."""
    server = nginx.server_of(host)
    if server is None or host.nginx is None:
        return {"config": None, "sites": {}}
    shipped = {page.name: page.files.directory for page in host.nginx.sites if page.files}
    digests = {name: site_files.digest(site_files.collected(each)) for name, each in shipped.items()}
    releases = {
        name: {"current": each, "previous": None, "releases": [each]} for name, each in digests.items()
    }
    return {"config": nginx.runs_with(server), "sites": releases}


def certificates(host: Host, environment: Environment) -> dict[str, Any]:
    """Return what a host tells of its certificates when the declared authority has signed them all."""
    asked = host.certbot
    standing = {
        each.name: {
            "issued": True,
            "linked": True,
            "names": list(each.names),
            "left": 0.9,
            "directory": asked.directory if asked else None,
            "profile": asked.profile if asked else None,
        }
        for each in certbot.certificates_of(host, environment)
    }
    return {"certificates": standing, "refused": {}, "webroot": True}


def values(environment: Environment) -> dict[str, str]:
    """Return a value for every secret of an environment."""
    return {secret.name: PASSWORD for secret in environment.secrets()}


def _password(user: User, host: Host, environment: Environment) -> dict[str, Any]:
    """Return what a host tells of an account's password when it is as declared."""
    if user.console_password is None:
        return {}
    field = password.wanted(user.console_password, f"{environment.name}/{host.name}/{user.name}")
    return {"locked": False, "password": password.digest(field)}


def bare(host: Host, environment: Environment) -> Seen:
    """Return the answers of a host as its provider delivers it."""
    secrets.load(values(environment))
    units = {key: {"LoadState": "not-found", "ActiveState": "inactive"} for key in site.units_of(host)}
    present = {"LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active"}
    units |= dict.fromkeys((host.release.ssh_unit, "systemd-journald.service"), present)
    return Seen(
        files={file.path: absent() for file in site.rendered(host, environment) if file.kind != "absent"},
        accounts={"root": account("root", 0, locked=False)},
        system=converged(host, environment).system
        | {
            "packages": {
                "missing": list(site.packages_of(host)),
                "broken": [],
                "lists_age": None,
                "policy_left": False,
            },
            "units": units,
            "sysctls": {k: {"value": "?", "settable": True} for k in host.sysctls(environment)},
            "swap": {"active": [], "size": None},
            "firewall_loaded": False,
            "ssh_ports": [22],
            "manifest": None,
        },
        stacks={
            "remembered": {},
            "images": {},
            "layers": [],
            "upstreams": {},
            "stacks": {stack.name: None for stack in compose.declared(host)},
        },
        digests={"digests": dict.fromkeys(references(host), DIGEST), "problems": {}},
        served={"config": None, "sites": {}},
        certificates={"certificates": {}, "refused": {}, "webroot": False},
        tunnels={"esp": True, "tunnels": False, "charon": False},
        telephony={"loaded": False},
    )


def absent() -> dict[str, Any]:
    """Return what is seen where nothing stands."""
    return {"is": "absent", "content": None}


def serve(
    host: Host,
    environment: Environment,
    seen: Seen,
    deploy: Callable[[Host, Environment], None] = site.site,
    answers: Mapping[str, Any] | None = None,
) -> Served:
    """Plan a host and then apply the plan; nothing of it leaves this process."""
    facts = {
        FACTS["files"]: json.dumps(seen.files),
        FACTS["accounts"]: json.dumps({"users": seen.accounts}),
        FACTS["system"]: json.dumps(seen.system),
        FACTS["stacks"]: json.dumps(seen.stacks),
        FACTS["digests"]: json.dumps(seen.digests),
        FACTS["served"]: json.dumps(seen.served),
        FACTS["certificates"]: json.dumps(seen.certificates),
        FACTS["tunnels"]: json.dumps(seen.tunnels),
        FACTS["telephony"]: json.dumps(seen.telephony),
    }
    secrets.load(values(environment))
    images.load(built(environment))
    name = f"@fake/{host.name}"
    data = {"environment": environment.name, "fake_responses": {**(answers or {}), **facts}}
    data |= {"fake_delay": 0, "fake_delay_jitter": 0}
    state = State(Inventory(([(name, data)], {})), Config())
    report.clear()
    with ctx_state.use(state), ctx_config.use(Config()):
        state.set_stage(StateStage.Connect)
        fake = state.inventory.get_host(name)
        fake.connect()
        state.activate_host(fake)
        state.set_stage(StateStage.Prepare)
        with ctx_host.use(fake):
            deploy(host, environment)
        plan = {step: said for (_, step), said in report.all().items()}
        state.set_stage(StateStage.Execute)
        # What a controller sees of a name in DNS is no business of a host that does not exist.
        with patch.object(certificates_of_ours, "_reached", lambda order, nonce: True):
            run_ops(state)
        return Served(plan, dict(_done(state, fake)))


def _done(state: State, fake: Any) -> Any:
    """Yield each step that did something, with its commands in words."""
    for operation in fake.op_hash_order:
        data = state.ops[fake][operation]
        commands = [_words(command) for command in data.operation_meta._commands or []]
        if commands:
            yield str(data.global_arguments["name"]), commands


def _words(command: Any) -> str:
    if isinstance(command, FileUploadCommand):
        return f"upload {command.dest}"
    if isinstance(command, FunctionCommand):
        function = getattr(command.function, "func", command.function)
        return f"call {function.__name__}"
    return str(command.get_raw_value())


def standing(file: ManagedFile, content: str) -> dict[str, Any]:
    """Return what is seen at a path where a file with other content stands."""
    other = ManagedFile(file.service, file.path, content, file.owner, file.group, file.mode)
    return {"is": other.fingerprint, "content": base64.b64encode(content.encode()).decode()}
