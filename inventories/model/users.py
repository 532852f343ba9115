"""Who may log in to a host, and as what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from inventories.model.keys import AGAIN, blob_of, comment_of, public_key
from inventories.model.names import is_example
from inventories.model.problem import Problem
from inventories.model.record import Record, Service
from inventories.model.values import ControllerKey, Secret
from inventories.model.wanted import Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

RESERVED = frozenset(
    (
        *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy"),
        *("www-data", "backup", "list", "irc", "gnats", "nobody", "nogroup", "adm", "tty", "disk", "kmem"),
        *("dialout", "fax", "voice", "cdrom", "floppy", "tape", "sudo", "audio", "dip", "operator", "src"),
        *("shadow", "utmp", "video", "sasl", "plugdev", "staff", "users", "input", "sgx", "kvm", "render"),
        *("crontab", "messagebus", "sshd", "syslog", "landscape", "polkitd", "systemd-network"),
        *("systemd-resolve", "systemd-timesync", "systemd-journal"),
        *("asterisk", "docker", "nginx", "postgres", "redis"),
    )
)
"""Users and groups of the system, of its packages and of the services this project deploys."""
NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")

UserName = Annotated[
    str,
    Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$"),
    Wanted("a user name", "use up to 31 small letters, digits, hyphens and underscores, a letter first"),
]
Shell = Annotated[
    str, Field(pattern=r"^/[a-z0-9/._-]+$"), Wanted("the path of a shell", "write it as /bin/bash")
]


def _word(name: str) -> str:
    """Return an account's name as a secret's may contain it."""
    return name.strip("_").replace("-", "_")


def _key(value: str | ControllerKey) -> str | ControllerKey:
    return public_key(value) if isinstance(value, str) else value


AuthorizedKey = Annotated[str | ControllerKey, AfterValidator(_key), Wanted("a public key", AGAIN)]


class User(Record):
    """A person's or the deploy's account: its keys are the only way in over the network."""

    name: UserName
    keys: tuple[AuthorizedKey, ...]
    sudo: bool = False
    """It becomes root without a password, whether it has one or not."""
    shell: Shell = "/bin/bash"
    console_password: Secret | None = None
    """The password for the provider's console (getty, recovery console) when SSH is lost; None: locked.

    SSH takes no password either way. Without `sudo` it lets its owner look, not repair.
    """


class Users(Service):
    """The accounts with a login shell: exactly these, with exactly these keys.

    Two accounts may hold the same key: an operator deploys and also logs in under their own name.
    """

    accounts: tuple[User, ...]
    deploy: UserName = "deploy"
    """The account that deploys use after the first contact; it must be one of `accounts`, with sudo."""

    def account(self, name: str) -> User:
        """Return one account by its name."""
        return next(user for user in self.accounts if user.name == name)

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield accounts that nobody can use, that clash, or that leave the deploy outside."""
        yield from self._names(host)
        yield from self._deploy(host)
        for user in self.accounts:
            yield from self._account(host, user, environment.in_twin)
            yield from self._shared(host, user, environment)

    def _names(self, host: Host) -> Iterator[Problem]:
        for name, times in Counter(user.name for user in self.accounts).items():
            if times > 1:
                yield self.problem(
                    host,
                    f"accounts[{name}]",
                    f"{name} stands here {times} times",
                    "each account once",
                    "put all its keys into one User",
                )
            if name in RESERVED:
                yield self.problem(
                    host,
                    f"accounts[{name}].name",
                    f"{name} belongs to the system",
                    "a name of its own",
                    "choose the name of a person or a task",
                )

    def _deploy(self, host: Host) -> Iterator[Problem]:
        names = [user.name for user in self.accounts]
        if self.deploy not in names:
            have = ", ".join(names) or "none"
            yield self.problem(
                host,
                "deploy",
                f"{self.deploy} is not among the accounts ({have})",
                "the account that deploys use",
                f'add User(name="{self.deploy}", keys=(...), sudo=True), or name another account as deploy',
            )
        elif not self.account(self.deploy).sudo:
            yield self.problem(
                host,
                f"accounts[{self.deploy}].sudo",
                f"{self.deploy} may not use sudo",
                "sudo for the account that deploys use",
                "add sudo=True, or the next deploy could change nothing",
            )

    def _account(self, host: Host, user: User, in_twin: bool) -> Iterator[Problem]:
        place = f"accounts[{user.name}]"
        if not user.keys:
            yield self.problem(
                host,
                f"{place}.keys",
                f"{user.name} has no key",
                "at least one, the only way in",
                "add a public key, or take the account out (it is then locked, and its home stays)",
            )
        if user.shell in NO_LOGIN:
            yield self.problem(
                host,
                f"{place}.shell",
                user.shell,
                "a login shell",
                "write /bin/bash, or take the account out",
                bare=True,
            )
        lines = [key for key in user.keys if isinstance(key, str)]
        if len({blob_of(key) for key in lines}) < len(lines):
            yield self.problem(
                host,
                f"{place}.keys",
                f"{user.name} has the same key twice",
                "each key once",
                "take one of the two lines out",
            )
        yield from () if in_twin else self._strangers(host, user)

    def _shared(self, host: Host, user: User, environment: Environment) -> Iterator[Problem]:
        """Yield a password that is another account's too, here or elsewhere: nobody could say who came in."""
        same = user.console_password
        everywhere = (each for other in environment.hosts for each in other.users.accounts)
        others = {each.name for each in everywhere if same and each.console_password == same} - {user.name}
        if same and others:
            yield self.problem(
                host,
                f"accounts[{user.name}].console_password",
                f"{same.name} is also the password of {', '.join(sorted(others))}",
                "a secret of its own",
                f'write Secret(name="{same.name}_{_word(user.name)}")',
            )

    def _strangers(self, host: Host, user: User) -> Iterator[Problem]:
        for index, key in enumerate(user.keys):
            place = f"accounts[{user.name}].keys[{index}]"
            if isinstance(key, ControllerKey):
                yield self.problem(
                    host,
                    place,
                    "the controller's key is made on each machine for its twins",
                    "the public key of a person",
                    "put the line of your own .pub file here",
                )
            elif is_example(comment_of(key).rpartition("@")[2]):
                yield self.problem(
                    host,
                    place,
                    f"the key of {comment_of(key)} is an example that nobody holds",
                    "the public key of a person",
                    "put the line of your own .pub file here",
                    example=True,
                )
