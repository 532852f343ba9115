"""Programs that a host runs about its calls: who speaks, who answers, what was kept, one call out."""

from __future__ import annotations

ASK = """
import json, subprocess, sys, time
def ask(command):
    argv = ("asterisk", "-rx", command)
    return subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout
def channels():
    return [row.split("!") for row in ask("core show channels concise").splitlines() if "!" in row]
"""
CHANNELS = ASK + "json.dump(channels(), sys.stdout)\n"
APPLICATIONS = ASK + "json.dump(ask('ari show apps').split(), sys.stdout)\n"
ORIGINATE = (
    ASK
    + """
name, seconds, patience = {name!r}, {seconds!r}, {patience!r}
ask("channel originate Local/" + name + " application Milliwatt")
until, up = time.monotonic() + patience, None
while time.monotonic() < until:
    mine = [row for row in channels() if row[0].startswith("Local/" + name + "-") and row[0].endswith(";1")]
    if not mine:
        break
    if up is None and mine[0][4] == "Up":
        up = time.monotonic()
        until = up + seconds
    time.sleep(0.1)
for row in channels():
    if row[0].startswith("Local/" + name + "-"):
        ask("channel request hangup " + row[0])
json.dump(up is not None, sys.stdout)
"""
)
"""A tenant's call as an application begins one; hung up so many seconds after the answer."""
RECORDED = """
import array, glob, json, os, sys, wave
found = {{}}
for path in glob.glob("/var/spool/asterisk/recordings/" + {tenant!r} + "/*"):
    if path in {known!r}:
        continue
    size = os.stat(path).st_size
    try:
        with wave.open(path) as file:
            rate, frames = file.getframerate(), max(size - 44, 0) // (2 * file.getnchannels())
            samples = array.array("h", file.readframes(frames))
    except (EOFError, wave.Error):
        rate, frames, samples = 8000, 0, ()
    loud = max(map(abs, samples), default=0)
    found[path] = {{"bytes": size, "seconds": frames / rate, "loudest": loud}}
json.dump(found, sys.stdout)
"""
