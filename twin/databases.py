"""The managed databases of an environment: PostgreSQL and Redis as a provider runs them, over TLS."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import nullcontext
from pathlib import Path

from control import places
from control.errors import TrunklineError
from inventories.model import Environment
from twin.authority import Authority
from twin.cell import Cell
from twin.command import command
from twin.given import given
from twin.outside import Server, servers
from twin.world_image import image_of, postgresql

_DONE = "initialised"
_SQL = """\
\\set user {user}
\\set password {password}
\\set database {database}
SELECT format('CREATE ROLE %I LOGIN CREATEDB CREATEROLE', :'user')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'user') \\gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'user', :'password') \\gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'user')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \\gexec
"""


class Databases:
    """The databases of one twin."""

    def __init__(self, environment: Environment, twin: str, directory: Path) -> None:
        self.servers = servers(environment)
        self.environment = environment
        self.twin = twin
        self.directory = directory
        self.data = places.twin_of(twin) / "databases"

    def start(self) -> None:
        """Start those that do not run; with data of an earlier time where there are any."""
        started = []
        for server in self.servers:
            cell = self._cell(server)
            if server.kind == "postgresql":
                if not (cell.conf / "hba.conf").exists():
                    cell.put("hba.conf", _hba(only=True))
                _initialise(cell)
                if not cell.daemon.alive():
                    # It names a process that was killed, and whose number another server may have by now.
                    (self.data / server.name / "postmaster.pid").unlink(missing_ok=True)
            started.append((server, cell, cell.start()))
        for server, cell, new in started:
            cell.settle()
            if server.kind == "postgresql":
                _provide(server, cell, _accounts(server, given(self.environment, self.twin)), anew=new)

    def tls(self, name: str, *, only: bool) -> None:
        """Let a PostgreSQL refuse what comes without TLS, as it should, or take it as well."""
        known = {its.name: s for s in self.servers for its in s.databases if s.kind == "postgresql"}
        if name not in known:
            raise TrunklineError(
                f"The twin {self.twin} has no PostgreSQL {name}.", f"It has: {', '.join(known) or 'none'}."
            )
        cell = self._cell(known[name])
        if not cell.daemon.alive():
            raise TrunklineError(
                f"The database {name} of the twin {self.twin} does not run.",
                f"Bring it up: `invoke twin.up --twin {self.twin}`.",
            )
        cell.put("hba.conf", _hba(only=only))
        os.kill(cell.daemon.pid, signal.SIGHUP)

    def keep(self, directory: Path) -> None:
        """Copy all data into a directory, as they are at one moment."""
        for server in self.servers:
            source = self.data / server.name
            if source.exists():
                cell = self._cell(server)
                with cell.cgroup.frozen() if cell.daemon.alive() else nullcontext():
                    _copy(source, directory / server.name)

    def put_back(self, directory: Path) -> None:
        """End all databases and give them the data of a copy; `start` starts them, truthful again."""
        for server in self.servers:
            cell = self._cell(server)
            cell.end()
            (cell.conf / "hba.conf").unlink(missing_ok=True)
            shutil.rmtree(self.data / server.name, ignore_errors=True)
            if (directory / server.name).exists():
                _copy(directory / server.name, self.data / server.name)

    def _cell(self, server: Server) -> Cell:
        image, name = image_of(self.twin), f"database-{server.name}"
        chain, key = Authority(self.twin).leaf(name, (server.host,))
        files = {"server.pem": chain.read_text(), "server.key": key.read_text()}
        if postgres := server.kind == "postgresql":
            argv: tuple[str, ...] = (f"{postgresql(image)}/postgres", *_settings(server.port))
        else:
            argv = ("/usr/bin/redis-server", "/conf/redis.conf")
            files["redis.conf"] = _redis(server, given(self.environment, self.twin))
        return Cell(
            name=name,
            twin=self.twin,
            node=server.node,
            image=image,
            directory=self.directory / name,
            account="postgres" if postgres else "redis",
            argv=argv,
            port=server.port,
            files=files,
            data=self.data / server.name,
        )


def _settings(port: int) -> tuple[str, ...]:
    """The settings of PostgreSQL; without fsync only the end of the machine itself loses data."""
    settings = {
        "listen_addresses": "*",
        "port": port,
        "unix_socket_directories": "/run",
        "hba_file": "/conf/hba.conf",
        "ssl": "on",
        "ssl_cert_file": "/conf/server.pem",
        "ssl_key_file": "/conf/server.key",
        "ssl_min_protocol_version": "TLSv1.2",
        "shared_buffers": "32MB",
        "fsync": "off",
    }
    return ("-D", "/data", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")))


def _hba(*, only: bool) -> str:
    """Return pg_hba.conf: a password for everyone, and TLS only, or TLS or not."""
    kind = "hostssl" if only else "host"
    lines = [
        "local all postgres trust",
        *(f"{kind} all all {net} scram-sha-256" for net in ("0.0.0.0/0", "::/0")),
    ]
    return "".join(f"{line}\n" for line in lines)


def _initialise(cell: Cell) -> None:
    assert cell.data
    if (cell.data / _DONE).exists():
        return
    shutil.rmtree(cell.data, ignore_errors=True)
    options = ("--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--wal-segsize=1", "--no-sync")
    cell.once(
        f"{postgresql(cell.image)}/initdb",
        "--pgdata=/data",
        "--username=postgres",
        "--no-instructions",
        *options,
    )
    (cell.data / _DONE).touch()


def _accounts(server: Server, secrets: dict[str, str]) -> str:
    """Return the SQL that makes the accounts and databases where they are missing, and sets the passwords."""
    text = ""
    for its in server.databases:
        names = {"user": its.user, "password": secrets[its.password.name], "database": its.database}
        text += _SQL.format(**{name: "'" + value.replace("'", "''") + "'" for name, value in names.items()})
    return text


def _provide(server: Server, cell: Cell, sql: str, *, anew: bool) -> None:
    """Let a server have its accounts and databases, where it was started or the declaration changed."""
    done = cell.conf / "accounts.sql"
    if not anew and done.exists() and done.read_text() == sql:
        return
    socket = ("--host=/run", f"--port={server.port}", "--username=postgres")
    end = time.monotonic() + 30
    while True:
        try:
            cell.inside("pg_isready", "--quiet", *socket)
            break
        except TrunklineError:
            if time.monotonic() > end or not cell.daemon.alive():
                raise
            time.sleep(0.05)
    cell.inside("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *socket, feed=sql)
    cell.put(done.name, sql)


def _redis(server: Server, secrets: dict[str, str]) -> str:
    """Return redis.conf: TLS only, each account under its name, the first as the default one too."""
    users = {its.user: secrets[its.password.name] for its in reversed(server.databases)}
    users.setdefault("default", secrets[server.databases[0].password.name])
    lines = [
        "bind * -::*",
        "port 0",
        f"tls-port {server.port}",
        "tls-cert-file /conf/server.pem",
        "tls-key-file /conf/server.key",
        "tls-ca-cert-dir /etc/ssl/certs",
        "tls-auth-clients no",
        "dir /data",
        "save 60 1",
        *(f"user {user} on >{password} ~* &* +@all" for user, password in users.items()),
    ]
    return "".join(f"{line}\n" for line in lines)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command("cp", "-a", "--reflink=auto", "--no-target-directory", str(source), str(target), timeout=600)
