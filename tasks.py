"""Trunkline: servers as one typed value: deployed, proven from inside and outside, rehearsed on a twin.

The commands of `invoke`. Each body only checks its arguments and calls the part that does the work.
"""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context

from control.arguments import number, writable
from control.command import command
from control.console import Console
from control.keeping import keeping
from control.probing import probes
from control.target import target


@command("commands")
def commands(c: Context) -> None:
    """List the commands, and how to learn more of one."""
    from control.commands import tell

    tell(__doc__ or "", namespace)


@command()
def show(c: Context, env: str = "lab", limit: str = "", json: bool = False, debug: bool = False) -> None:
    """Show the resolved record: every value, also those nobody wrote down."""
    from control import show as record

    record.show(target(env, limit), Console(as_json=json))


@command(out="Write the files below this directory, one directory a host, instead of showing them.")
def render(
    c: Context, env: str = "lab", host: str = "", out: str = "", json: bool = False, debug: bool = False
) -> None:
    """Show every file as it will stand on the host, or write them with --out."""
    from control.render import render as rendering

    rendering(target(env, host), Console(as_json=json), out)


@command()
def lint(c: Context, env: str = "lab", json: bool = False, debug: bool = False) -> int:
    """Say everything that is wrong with an inventory, before any host is contacted."""
    from control.lint import lint as linting

    return linting(env, Console(as_json=json))


@command()
def openings(c: Context, env: str = "lab", limit: str = "", json: bool = False, debug: bool = False) -> None:
    """Show the sheet for the provider's firewall: ports, sources, and why."""
    from control.openings import openings as sheet

    sheet(target(env, limit), Console(as_json=json))


@command(
    peer="Only the peer or trunk of this name (default: all of the chosen hosts').",
    reveal="Show the pre-shared key or the far side's certificates in clear, on the terminal.",
)
def peer(
    c: Context, env: str = "lab", limit: str = "", twin: str = "", peer: str = "", reveal: bool = False,
    json: bool = False, debug: bool = False,
) -> None:  # fmt: skip
    """Show the sheet for the far side of each tunnel, in UniFi's field names, and for each carrier."""
    from control.peer import peer as sheet

    sheet(target(env, limit, twin), Console(as_json=json), name=peer, reveal=reveal)


@command()
def plan(
    c: Context, env: str = "lab", limit: str = "", twin: str = "", adopt: bool = False, json: bool = False,
    debug: bool = False,
) -> int:  # fmt: skip
    """Show what a deploy would change, with diffs; exit code 0 nothing, 2 changes, 1 error."""
    from control.plan import plan as planning

    return planning(target(env, limit, twin), Console(as_json=json, debug=debug), adopt=adopt)


@command()
def deploy(
    c: Context, env: str = "lab", limit: str = "", twin: str = "", wait: str = "0", adopt: bool = False,
    json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Bring an environment to what its inventory declares, and prove it; boots its twin first.

    Exit code 0: all holds. 3: applied, but checks fail that failed before as well. 1: anything else.
    """
    from control.deploy import deploy as deploying
    from control.twins import up

    seconds = number("wait", wait, 0, 86400)
    chosen, console = target(env, limit, twin), Console(as_json=json, debug=debug)
    if chosen.environment.in_twin:
        up(chosen, console)
    return deploying(chosen, console, adopt=adopt, wait=seconds)


@command(
    strict="A check that cannot be proven for lack of a vantage point fails too.",
    disruptive="Also run the checks that disturb: bans, full port sweeps, forced renewals.",
    keyword="Only the checks whose name matches, as pytest's -k.",
    report="Keep the whole outcome in this file too, as JSON: each check's verdict, evidence and remedy.",
    junit="Keep the outcome in this file too, as JUnit's XML, which CI systems read.",
)
def verify(
    c: Context, env: str = "lab", limit: str = "", twin: str = "", keyword: str = "", strict: bool = False,
    disruptive: bool = False, report: str = "", junit: str = "", json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Run every check from every vantage point: what must be open, closed, loaded and true."""
    from control import verification

    chosen, console = target(env, limit, twin), Console(as_json=json, debug=debug)
    kept = writable(report=report, junit=junit)
    seen = verification.verify(
        chosen, console, strict=strict, disruptive=disruptive, keyword=keyword, kept=kept
    )
    verification.tell(seen, console)
    return 0 if seen.passed else 1


@command(
    replace="Hosts whose changed key may be replaced, after both were shown: names separated by commas.",
    expect="Fingerprints (SHA256:...) known from elsewhere, separated by commas: pinned without asking.",
)
def trust(
    c: Context, env: str = "lab", limit: str = "", twin: str = "", replace: str = "", expect: str = "",
    json: bool = False, debug: bool = False,
) -> int:  # fmt: skip
    """Fetch the hosts' SSH keys, show their fingerprints, ask, and pin them: strict ever after."""
    from control.trust import trust as trusting

    return trusting(target(env, limit, twin), Console(as_json=json), replace=replace, expect=expect)


@command()
def status(
    c: Context, env: str = "lab", limit: str = "", twin: str = "", json: bool = False, debug: bool = False
) -> None:
    """Show of each host: up, who deployed what and when, what verify said, lock and guard."""
    from control.status import status as asking

    asking(target(env, limit, twin), Console(as_json=json, debug=debug))


@command(keep="Leave the twin up to look at; otherwise nothing of it stays.")
def rehearse(
    c: Context, env: str, twin: str = "", keep: bool = False, json: bool = False, debug: bool = False
) -> int:
    """Try an environment on this machine before its servers: as a twin with secrets of its own."""
    from control.rehearse import rehearse as rehearsing

    return rehearsing(env, twin, Console(as_json=json, debug=debug), keep=keep)


@command(
    rows="Rows or tables to run, separated by commas (default: all).",
    list="Name the rows, their last result and age, and run nothing.",
    again="Also run the rows that are proven for this very state of the source.",
)
def prove(c: Context, rows: str = "", list: bool = False, again: bool = False, debug: bool = False) -> int:
    """Run the exhaustive proofs: every fault, lockout, kill and error, each from a snapshot; resumable."""
    import prove as proofs

    return proofs.run([each for each in rows.split(",") if each], list_only=list, again=again)


@command("up")
def twin_up(c: Context, env: str = "lab", twin: str = "", json: bool = False, debug: bool = False) -> None:
    """Boot the twin: real Debian hosts in network namespaces of this machine."""
    from control.twins import up

    up(target(env, "", twin), Console(as_json=json, debug=debug), explain=True)


@command("down", erase="Forget the disks and the snapshots as well: the next up starts anew.")
def twin_down(
    c: Context, env: str = "lab", twin: str = "", erase: bool = False, json: bool = False, debug: bool = False
) -> None:
    """Stop the twin and leave nothing of it on this machine but its disks."""
    from control.twins import down

    down(target(env, "", twin), Console(as_json=json, debug=debug), erase=erase)


@command("status")
def twin_status(
    c: Context, env: str = "lab", twin: str = "", json: bool = False, debug: bool = False
) -> None:
    """Show the twin's hosts, snapshots, and what is forwarded to loopback."""
    from control.twins import show_status

    show_status(target(env, "", twin), Console(as_json=json, debug=debug))


@command("shell", host="The host to enter; also `controller` and `stranger`.")
def twin_shell(c: Context, host: str, env: str = "lab", twin: str = "", debug: bool = False) -> None:
    """Become root in one of the twin's hosts, by a road that does not depend on SSH."""
    from control.twins import enter

    enter(target(env, "", twin), host)


@command("snapshot", label="A name for it: letters, digits, dots and dashes.")
def twin_snapshot(c: Context, label: str, env: str = "lab", twin: str = "", debug: bool = False) -> None:
    """Keep the disks of all hosts under a label."""
    from control.twins import snapshot

    snapshot(target(env, "", twin), Console(), label)


@command("restore", label="The snapshot's label.")
def twin_restore(c: Context, label: str, env: str = "lab", twin: str = "", debug: bool = False) -> None:
    """Bring all disks back to a snapshot and boot every host."""
    from control.twins import restore

    restore(target(env, "", twin), Console(), label)


@command("reboot", host="The host to restart.")
def twin_reboot(c: Context, host: str, env: str = "lab", twin: str = "", debug: bool = False) -> None:
    """Restart one host, as a real reboot would: its kernel state is gone."""
    from control.twins import reboot

    reboot(target(env, "", twin), Console(), host)


namespace = Collection(
    show, render, lint, openings, peer, plan, deploy, verify, trust, status, rehearse, prove
)
namespace.add_task(commands, default=True)
namespace.add_collection(probes)
namespace.add_collection(
    Collection("twin", twin_up, twin_down, twin_status, twin_shell, twin_snapshot, twin_restore, twin_reboot)
)
namespace.add_collection(keeping)
