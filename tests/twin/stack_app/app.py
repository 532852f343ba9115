"""A small application for tests of stacks: http service, worker, scheduler, migration and dump, told apart by
the first word. Its data is in /data, its version in the environment."""

import fcntl
import http.server
import os
import signal
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

VERSION = os.environ.get("VERSION", "0")
DATA = Path("/data")


def serve() -> None:
    """Answer the version; `/slow?s=2` takes so long. SIGTERM ends it once every request is answered."""
    if os.environ.get("CRASH"):
        sys.exit(f"cannot start: password {os.environ.get('APP_PASSWORD')} refused")

    class Page(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urllib.parse.urlparse(self.path)
            time.sleep(float(urllib.parse.parse_qs(url.query).get("s", ["0"])[0]))
            if url.path == "/health" and os.environ.get("SICK"):
                print(f"sick with {os.environ.get('APP_PASSWORD')}", flush=True)
                self.send_error(500)
                return
            body = f"{VERSION}\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = False
        request_queue_size = 256

    server = Server(("0.0.0.0", 8000), Page)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"serving {VERSION}", flush=True)
    server.serve_forever(0.05)
    os._exit(0)


def work() -> None:
    """Do one job after the other, a second each, and write down its begin and end; SIGTERM lets it finish."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    Path("/tmp/alive").touch()
    job = 0
    while not stop:
        job += 1
        name = f"{VERSION}-{os.uname().nodename}-{job}"
        _note("jobs", f"begin {name}")
        end = time.monotonic() + 1
        while (left := end - time.monotonic()) > 0:
            time.sleep(left)
        _note("jobs", f"end {name}")


def tick() -> None:
    """Tick ten times a second; a second one at the same time is written down."""
    with (DATA / "single.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _note("single", f"TWICE {VERSION}")
        _note("single", f"runs {VERSION}")
        Path("/tmp/alive").touch()
        while True:
            time.sleep(0.1)


def migrate() -> None:
    """Bring the data to this version; like a real tool it refuses data that is newer than itself."""
    _note("migrations", f"begin {VERSION}")
    time.sleep(float(os.environ.get("MIGRATION_SECONDS", "0")))
    if os.environ.get("MIGRATION_FAILS"):
        sys.exit(f"column is missing, asked with {os.environ.get('APP_PASSWORD')}")
    present = (DATA / "revision").read_text() if (DATA / "revision").exists() else "0"
    if int(present) > int(VERSION):
        sys.exit(f"cannot find revision {present}")
    (DATA / "revision").write_text(VERSION)
    _note("migrations", f"end {VERSION}")


def _note(log: str, line: str) -> None:
    with (DATA / log).open("a") as file:
        file.write(f"{line}\n")


def main() -> None:
    """Do what the first word says."""
    word = sys.argv[1]
    if word == "health":
        urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=2).read()
    elif word == "alive":
        sys.exit(0 if Path("/tmp/alive").exists() and not os.environ.get("SICK") else 1)
    elif word == "dump":
        print("dump of revision", (DATA / "revision").read_text() if (DATA / "revision").exists() else "none")
    elif word == "current":
        print((DATA / "revision").read_text())
    else:
        {"serve": serve, "work": work, "tick": tick, "migrate": migrate}[word]()


if __name__ == "__main__":
    main()
