"""Accounts and keys that let nobody in, or the wrong one, are refused with one exact sentence."""

from __future__ import annotations

import pytest
from declared import (
    KEY,
    RSA,
    Declare,
    Rows,
    account,
    environment,
    host,
    key,
    real,
    refused,
    second,
    users,
)

from inventories.model import ControllerKey, Environment, Secret, User, checked


def with_passwords(*hosts: dict[str, str]) -> Environment:
    """Return an environment whose hosts have these accounts, each with a console password's secret."""
    accounts = [
        users(
            *(
                User(name=name, keys=(KEY,), console_password=Secret(name=secret))
                for name, secret in each.items()
            )
        )
        for each in hosts
    ]
    return environment(*(make(users=each) for make, each in zip((host, second), accounts, strict=False)))


ACCOUNTS: Rows = {
    "a user with a capital": (
        lambda: account(name="Deploy"),
        "edge1 users.accounts[Deploy].name: 'Deploy' is not a user name; use up to 31 small letters,"
        " digits, hyphens and underscores, a letter first",
    ),
    "a relative shell": (
        lambda: account(shell="bash"),
        "edge1 users.accounts[deploy].shell: 'bash' is not the path of a shell; write it as /bin/bash",
    ),
    "a private key": (
        lambda: key("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAA"),
        "edge1 users.accounts[deploy].keys[0]: a private key is not a public key; it is no secret"
        " any more: make a new one, and put the line of its .pub file here",
    ),
    "a DSA key": (
        lambda: key("ssh-dss AAAAB3NzaC1kc3MAAACBAP old"),
        "edge1 users.accounts[deploy].keys[0]: a DSA key, wanted a key that sshd still accepts; make"
        " a new one: ssh-keygen -t ed25519",
    ),
    "an RSA key that is too short": (
        lambda: key(RSA),
        "edge1 users.accounts[deploy].keys[0]: an RSA key of 2048 bits, wanted 3072 bits or more;"
        " make a new one: ssh-keygen -t ed25519",
    ),
    "a key that is cut short": (
        lambda: key(KEY[:60]),
        "edge1 users.accounts[deploy].keys[0]: an ssh-ed25519 key that is cut short, wanted the"
        " whole line; copy the whole line of the .pub file again",
    ),
    "a key that is not base64": (
        lambda: key("ssh-ed25519 AAAA!!!! alice"),
        "edge1 users.accounts[deploy].keys[0]: an ssh-ed25519 key that is not base64, wanted the"
        " line as ssh-keygen wrote it; copy the whole line of the .pub file again",
    ),
    "a key of another type than it says": (
        lambda: key(KEY.replace("ssh-ed25519", "ssh-rsa", 1)),
        "edge1 users.accounts[deploy].keys[0]: a key that is not the ssh-rsa it says, wanted a type"
        " that fits the key; copy the whole line of the .pub file again",
    ),
    "options before a key": (
        lambda: key(f'from="192.0.2.1" {KEY}'),
        'edge1 users.accounts[deploy].keys[0]: options (from="192.0.2.1") before the key, wanted the'
        " key alone; leave the options out",
    ),
    "a key of an unknown type": (
        lambda: key("ssh-rot13 AAAA alice"),
        "edge1 users.accounts[deploy].keys[0]: a key of type ssh-rot13, wanted one of ssh-ed25519, ssh-rsa,"
        " ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, sk-ssh-ed25519@openssh.com,"
        " sk-ecdsa-sha2-nistp256@openssh.com; copy the whole line of the .pub file again",
    ),
    "a number for a key": (
        lambda: key(5),
        "edge1 users.accounts[deploy].keys[0]: 5 is not a public key; copy the whole line of the .pub file"
        " again",
    ),
    "half a key": (
        lambda: key("ssh-ed25519"),
        "edge1 users.accounts[deploy].keys[0]: text that is not one line, wanted a type, the key and"
        " a comment; copy the whole line of the .pub file again",
    ),
    "nobody may deploy": (
        lambda: environment(host(users=users(deploy="ops"))),
        "edge1 users.deploy: ops is not among the accounts (deploy), wanted the account that deploys"
        ' use; add User(name="ops", keys=(...), sudo=True), or name another account as deploy',
    ),
    "a deploy that may change nothing": (
        lambda: account(sudo=False),
        "edge1 users.accounts[deploy].sudo: deploy may not use sudo, wanted sudo for the account"
        " that deploys use; add sudo=True, or the next deploy could change nothing",
    ),
    "an account without a key": (
        lambda: account(keys=()),
        "edge1 users.accounts[deploy].keys: deploy has no key, wanted at least one, the only way in;"
        " add a public key, or take the account out (it is then locked, and its home stays)",
    ),
    "a user twice": (
        lambda: environment(host(users=users(User(name="deploy", keys=(KEY,))))),
        "edge1 users.accounts[deploy]: deploy stands here 2 times, wanted each account once; put all"
        " its keys into one User",
    ),
    "one key twice": (
        lambda: account(keys=(KEY, KEY.replace("alice", "same"))),
        "edge1 users.accounts[deploy].keys: deploy has the same key twice, wanted each key once;"
        " take one of the two lines out",
    ),
    "a user of the system": (
        lambda: environment(host(users=users(User(name="daemon", keys=(KEY,))))),
        "edge1 users.accounts[daemon].name: daemon belongs to the system, wanted a name of its own;"
        " choose the name of a person or a task",
    ),
    "root as a user": (
        lambda: environment(host(users=users(User(name="root", keys=(KEY,))))),
        "edge1 users.accounts[root].name: root belongs to the system, wanted a name of its own;"
        " choose the name of a person or a task",
    ),
    "a shell that shuts the door": (
        lambda: account(shell="/usr/sbin/nologin"),
        "edge1 users.accounts[deploy].shell: /usr/sbin/nologin is not a login shell; write"
        " /bin/bash, or take the account out",
    ),
    "a password in plain text, which the sentence does not repeat": (
        lambda: account(console_password="correct horse"),
        "edge1 users.accounts[deploy].console_password: a value in plain text, wanted a reference to a"
        ' secret; write Secret(name="..."), and give the value to `invoke secrets.set NAME`; what stood here'
        " is no secret any more",
    ),
    "the controller's key on a real server": (
        lambda: real(users=users(User(name="ops", keys=(ControllerKey(),)))),
        "edge1 users.accounts[ops].keys[0]: the controller's key is made on each machine for its"
        " twins, wanted the public key of a person; put the line of your own .pub file here",
    ),
    "an example's key on a real server": (
        lambda: real(users=users(User(name="ops", keys=(KEY.replace("alice", "alice@example.com"),)))),
        "edge1 users.accounts[ops].keys[0]: the key of alice@example.com is an example that nobody"
        " holds, wanted the public key of a person; put the line of your own .pub file here",
    ),
}


@pytest.mark.parametrize(("declare", "sentence"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_accounts_that_cannot_work_are_refused_with_their_sentence(declare: Declare, sentence: str) -> None:
    assert refused(declare) == [sentence]


def test_a_console_password_is_one_of_the_secrets_and_no_value() -> None:
    declared = checked(lambda: with_passwords({"ops": "console"}, {"ops": "console", "ann": "console_ann"}))
    assert declared.secrets() == (Secret(name="console"), Secret(name="console_ann"))
    shown = declared.resolved()["hosts"][0]["users"]["accounts"]
    assert [each["console_password"] for each in shown] == [None, "*** (console)"]


def test_a_console_password_needs_no_sudo() -> None:
    declared = checked(lambda: with_passwords({"watcher": "console"}))
    assert declared.hosts[0].users.account("watcher").sudo is False


def test_two_accounts_may_not_have_one_password_whichever_hosts_they_are_on() -> None:
    assert refused(lambda: with_passwords({"ops": "console"}, {"ann-lee": "console"})) == [
        "edge1 users.accounts[ops].console_password: console is also the password of ann-lee, wanted"
        ' a secret of its own; write Secret(name="console_ops")',
        "edge2 users.accounts[ann-lee].console_password: console is also the password of ops, wanted"
        ' a secret of its own; write Secret(name="console_ann_lee")',
    ]
