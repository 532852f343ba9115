"""The managed databases of an environment: PostgreSQL and Redis as a provider runs them, over TLS."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from control import places
from control.errors import TrunklineError
from inventories.model import Database, Environment
from twin.authority import Authority
from twin.cell import Cell
from twin.command import command
from twin.given import given
from twin.outside import node_of
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
        self.all = environment.databases
        self.environment = environment
        self.twin = twin
        self.directory = directory
        self.data = places.twin_of(twin) / "databases"

    def start(self) -> None:
        """Start those that do not run; with data of an earlier time where there are any."""
        started = []
        for database in self.all:
            cell = self._cell(database)
            if database.kind == "postgresql":
                if not (cell.conf / "hba.conf").exists():
                    cell.put("hba.conf", _hba(only=True))
                _initialise(cell)
            if cell.start():
                started.append((database, cell))
        for database, cell in started:
            cell.settle()
            if database.kind == "postgresql":
                _provide(database, cell, given(self.environment, self.twin)[database.password.name])

    def tls(self, name: str, *, only: bool) -> None:
        """Let a PostgreSQL refuse what comes without TLS, as it should, or take it as well."""
        found = [each for each in self.all if each.name == name and each.kind == "postgresql"]
        if not found:
            known = ", ".join(each.name for each in self.all if each.kind == "postgresql")
            raise TrunklineError(
                f"The twin {self.twin} has no PostgreSQL {name}.", f"It has: {known or 'none'}."
            )
        cell = self._cell(found[0])
        if not cell.daemon.alive():
            raise TrunklineError(
                f"The database {name} of the twin {self.twin} does not run.",
                f"Bring it up: invoke twin.up --twin {self.twin}",
            )
        cell.put("hba.conf", _hba(only=only))
        os.kill(cell.daemon.pid, signal.SIGHUP)

    def keep(self, directory: Path) -> None:
        """Copy all data into a directory, as they are at one moment."""
        for database in self.all:
            source = self.data / database.name
            if source.exists():
                cell = self._cell(database)
                if cell.daemon.alive():
                    with cell.cgroup.frozen():
                        _copy(source, directory / database.name)
                else:
                    _copy(source, directory / database.name)

    def put_back(self, directory: Path) -> None:
        """End all databases and give them the data of a copy; `start` starts them, truthful again."""
        for database in self.all:
            cell = self._cell(database)
            cell.end()
            (cell.conf / "hba.conf").unlink(missing_ok=True)
            shutil.rmtree(self.data / database.name, ignore_errors=True)
            if (directory / database.name).exists():
                _copy(directory / database.name, self.data / database.name)

    def _cell(self, database: Database) -> Cell:
        image = image_of(self.twin)
        chain, key = Authority(self.twin).leaf(node_of(database), (database.host,))
        files = {"server.pem": chain.read_text(), "server.key": key.read_text()}
        password = given(self.environment, self.twin)[database.password.name]
        if database.kind == "redis":
            files["redis.conf"] = _redis(database, password)
        postgres = (f"{postgresql(image)}/postgres", *_settings(database))
        redis = ("/usr/bin/redis-server", "/conf/redis.conf")
        return Cell(
            name=node_of(database),
            twin=self.twin,
            node=node_of(database),
            image=image,
            directory=self.directory / node_of(database),
            account="postgres" if database.kind == "postgresql" else "redis",
            argv=postgres if database.kind == "postgresql" else redis,
            port=database.port,
            files=files,
            data=self.data / database.name,
        )


def _settings(database: Database) -> tuple[str, ...]:
    """The settings of PostgreSQL; without fsync only the end of the machine itself loses data."""
    settings = {
        "listen_addresses": "*",
        "port": database.port,
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


def _provide(database: Database, cell: Cell, password: str) -> None:
    """Make the account and the database where they are missing, and set the password."""
    names = {"user": database.user, "password": password, "database": database.database}
    sql = _SQL.format(**{name: "'" + value.replace("'", "''") + "'" for name, value in names.items()})
    socket = ("--host=/run", f"--port={database.port}", "--username=postgres")
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


def _redis(database: Database, password: str) -> str:
    """Return redis.conf: TLS only, and the account under its name and under the default one."""
    users = dict.fromkeys((database.user, "default"))
    lines = [
        "bind * -::*",
        "port 0",
        f"tls-port {database.port}",
        "tls-cert-file /conf/server.pem",
        "tls-key-file /conf/server.key",
        "tls-ca-cert-dir /etc/ssl/certs",
        "tls-auth-clients no",
        "dir /data",
        "save 60 1",
        *(f"user {user} on >{password} ~* &* +@all" for user in users),
    ]
    return "".join(f"{line}\n" for line in lines)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command("cp", "-a", "--reflink=auto", "--no-target-directory", str(source), str(target), timeout=600)
