"""What goes wrong around a command: one clear sentence with what to do, an exit code, never a traceback."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from control import places
from prove import release
from prove.process import Ended, run
from prove.row import Evidence, Row, require
from prove.stage import Stage
from twin.enter import enter_argv

SOON = 60
"""Seconds within which a host that does not answer is named."""
HELD = 20
"""Seconds that a package lock is waited for here: ten minutes otherwise."""
HOLD_APT = (
    "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
    "time.sleep(150)"
)
NOTHING_SAID = re.compile(r"A command failed with exit code|: it failed\.?$")
"""The words for what nobody has found words for."""
COURSE = re.compile(
    r"(?:^|(?<= ))[\w-]+(?:, [\w-]+)*(?:: \d+ of \d+ steps done| is finished| not changed)\b.*"
    r"goes on from here\.$",
    re.DOTALL,
)
"""How far a deploy came: told with every failure, and no remedy of any."""


def judged(ended: Ended, *words: str) -> Evidence:
    """Return the evidence of a good end: one sentence and what to do about it, with these words in them.

    What a program on the host said is quoted between the two, deeper indented, and counts for neither.
    """
    require(ended.code not in (0, 2, 3), f"it ended with {ended.code} as if all were well: {ended.tail}")
    require("Traceback" not in ended.output, f"a traceback reached the user: {ended.tail}")
    require("defect of Trunkline" not in ended.output, f"it was not expected by anyone: {ended.tail}")
    errors = told(ended.stderr)
    require(errors, f"no sentence says what went wrong: {ended.tail}")
    for sentence, remedy in errors:
        require(not NOTHING_SAID.search(sentence), f"the sentence says nothing: {sentence}")
        require(len(sentence) < 400, f"the sentence is too long to be read: {sentence}")
        require(COURSE.sub("", remedy).strip(), f"the sentence has no remedy: {sentence}")
    whole = "\n".join(f"{sentence}\n{remedy}" for sentence, remedy in errors)
    missing = [word for word in words if word.lower() not in whole.lower()]
    require(not missing, f"the error does not name {', '.join(missing)}: {whole}")
    return {"error": errors[0][0], "remedy": errors[0][1], "code": ended.code}


def told(stderr: str) -> list[tuple[str, str]]:
    """Return each error that a command ended with, as its sentence and its remedy."""
    found: list[tuple[str, list[str]]] = []
    for line in stderr.splitlines():
        if line.startswith("error: "):
            found.append((line.removeprefix("error: "), []))
        elif found and re.match(r"  \S", line):
            found[-1][1].append(line.strip())
    return [(sentence, "\n".join(remedy)) for sentence, remedy in found]


def _unreachable(stage: Stage) -> Evidence:
    stage.healthy()
    stage.twin.cut("edge1")
    try:
        ended = stage.invoke("plan", "--env", "lab", timeout=90)
    finally:
        stage.twin.mend("edge1")
    require(ended.seconds <= SOON, f"it took {ended.seconds} s to say so")
    return {**judged(ended, "edge1"), "seconds": ended.seconds}


def _wrong_key(stage: Stage) -> Evidence:
    stage.healthy()
    key = places.controller_key_of(stage.name)
    key.unlink()
    stage.python("-c", f"import subprocess; subprocess.run({_keygen(key)!r}, check=True)").expect(0)
    return judged(stage.invoke("plan", "--env", "lab", timeout=90), "edge1", "key")


def _keygen(key: Path) -> list[str]:
    return ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]


def _changed_host_key(stage: Stage) -> Evidence:
    stage.healthy()
    stage.sh(
        "edge1",
        "rm /etc/ssh/ssh_host_*; ssh-keygen -q -A; systemctl restart ssh",
    )
    return judged(stage.invoke("plan", "--env", "lab", timeout=90), "edge1", "host key", "--replace edge1`")


def _not_pinned(stage: Stage) -> Evidence:
    stage.healthy()
    (places.state_of(stage.name) / "known_hosts").write_text("", encoding="utf-8")
    return judged(stage.invoke("plan", "--env", "lab", timeout=90), "edge1", f"--twin {stage.name}`")


def _no_disk(stage: Stage) -> Evidence:
    stage.healthy()
    stage.sh("edge1", "n=$(df --output=avail -k / | tail -n 1); fallocate -l $((n - 20480))K /var/fill")
    return judged(stage.deploy(timeout=120), "edge1", "MB free")


def _lock_held(stage: Stage) -> Evidence:
    stage.healthy()
    agent = "$(ls /usr/local/lib/trunkline/agent-*.pyz | tail -n 1)"
    stage.sh(
        "edge1",
        f"python3 -I {agent} lock acquire --holder ann@elsewhere --purpose 'a repair' --lease 600",
    )
    return judged(stage.deploy(timeout=90), "edge1", "ann@elsewhere")


def _apt_lock_held(stage: Stage) -> Evidence:
    stage.healthy()
    stage.sh("edge1", f'nohup python3 -c "{HOLD_APT}" >/dev/null 2>&1 & sleep 1')
    with stage.copy((release.patience(HELD),)) as top:
        ended = stage.deploy(top=top, timeout=120)
    require(ended.seconds > HELD, f"it was waited for {ended.seconds} s only: {ended.tail}")
    evidence = judged(ended, "edge1", "python3 (pid ", "holds the apt lock", "let it finish")
    return {**evidence, "seconds": ended.seconds}


def _missing_secret(stage: Stage) -> Evidence:
    stage.healthy()
    key = places.controller_key_of(stage.name).with_suffix(".pub").read_text(encoding="utf-8").strip()
    with stage.copy((("inventories/real.py", "", REAL.format(key=key)),)) as top:
        argv = [
            *enter_argv(stage.name, "controller"),
            sys.executable,
            "-m",
            "invoke",
            "plan",
            "--env",
            "real",
        ]
        ended = run(argv, top, stage.env(PYTHONPATH=str(top)), timeout=90)
        return judged(ended, "no_such_secret", "secrets.set")


REAL = """
from inventories.model import Environment, Host, Secret, User, Users

deploy = User(name="deploy", keys=({key!r},), sudo=True, console_password=Secret(name="no_such_secret"))
environment = Environment(
    name="real",
    domain="servers.internal",
    controllers=("10.99.0.1/32",),
    hosts=(Host(name="one", os="debian13", address="10.99.0.2/24", users=Users(accounts=(deploy,))),),
)
hosts = environment.inventory()
"""
"""Real servers, whose secrets nobody generates; from the twin's network no packet reaches any."""


def _says(name: str, claim: str, argv: tuple[str, ...], *words: str) -> Row:
    """A row that needs no host: a command line, and the words its error must name."""

    def put(stage: Stage) -> Evidence:
        return judged(stage.invoke(*argv, timeout=60), *words)

    return Row("errors", name, claim, put, 60, release.PAIR)


def _row(name: str, claim: str, put: Callable[[Stage], Evidence], limit: int = 180) -> Row:
    return Row("errors", name, claim, put, limit, release.PAIR)


ROWS = (
    _says("unknown-environment", "an unknown environment is told which there are",
          ("deploy", "--env", "nowhere"), "nowhere", "lab"),
    _says("unknown-host", "--limit with a host that nobody declared names the declared ones",
          ("deploy", "--env", "lab", "--limit", "edge9"), "edge9", "edge1"),
    _says("bad-number", "an option that is no number is named with what is allowed",
          ("deploy", "--env", "lab", "--wait", "soon"), "--wait", "soon"),
    _says("refused-environment", "an example with documentation addresses is refused until they are replaced",
          ("deploy", "--env", "prod"), "RFC 5737"),
    _says("unknown-row", "an unknown row of proofs is told where to look",
          ("prove", "--rows", "faults.nothing"), "faults.nothing"),
    _row("unreachable-host", "a host that does not answer is named within a minute", _unreachable),
    _row("wrong-key", "a key that no host knows is named as the reason", _wrong_key),
    _row("changed-host-key", "a changed host key stops everything and says so", _changed_host_key),
    _row("host-key-not-pinned", "a host whose key was never pinned is refused with the command that pins it",
         _not_pinned),
    _row("no-disk", "a disk without room is named before anything is changed", _no_disk),
    _row("lock-held", "who else is deploying is named", _lock_held),
    _row("apt-lock-held", "a package lock that stays held is waited for, then its holder is named",
         _apt_lock_held),
    _row("missing-secret", "a missing secret is named with the command that sets it", _missing_secret),
)  # fmt: skip
