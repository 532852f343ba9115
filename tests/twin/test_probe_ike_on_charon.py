"""The IKE probe against a real strongSwan: the world image's, in network and mount namespaces of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twin.archive import archive
from twin.proxy import Proxy
from twin.world_image import world_image
from verify.probes.ike import USUAL, WEAK

TOP = Path(__file__).resolve().parent.parent.parent
HOST, OTHER = "198.51.100.31", "192.0.2.10"
CONNECTION = """\
connections {{
  office {{
    version = 2
    local_addrs = {host}
    proposals = {usual}
    encap = {encap}
    local {{ auth = psk }}
    remote {{ auth = psk }}
    children {{ all {{ remote_ts = 192.168.150.0/24 }} }}
  }}
}}
"""
COOKIES = "charon-systemd {\n  cookie_threshold = 1\n  cookie_threshold_ip = 1\n}\n"
STAGE = """\
set -eu
work=$1 image=$2
mount --make-rprivate /
mount -t tmpfs tmpfs "$work/disk"
mkdir "$work/disk/upper" "$work/disk/work" "$work/disk/root"
root=$work/disk/root
mount -t overlay overlay -o "lowerdir=$image,upperdir=$work/disk/upper,workdir=$work/disk/work" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mkdir -p "$root/run" "$root/etc/strongswan.d"
cp "$work/swanctl.conf" "$root/etc/swanctl/conf.d/office.conf"
cp "$work/strongswan.conf" "$root/etc/strongswan.d/zz.conf"
ip link set lo up
ip address add $HOST/32 dev lo
ip address add $OTHER/32 dev lo
chroot "$root" /usr/sbin/charon-systemd > "$work/log" 2>&1 &
for _ in $(seq 100); do
  chroot "$root" swanctl --load-all > "$work/loaded" 2>&1 && break
  sleep 0.1
done
grep -q "loaded connection 'office'" "$work/loaded" || { cat "$work/loaded" "$work/log" >&2; exit 1; }
shift 2
for words in "$@"; do "$PYTHON" -m verify.probes.ike "$HOST" --json $words; done
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The world's image, which is built when this machine has none yet."""
    source, proxy = archive(), Proxy()
    port = proxy.take("ike-tests", source)
    try:
        yield world_image(source, port, lambda text: None)
    finally:
        proxy.leave("ike-tests")


def asked(
    image: Path, directory: Path, *looks: str, encap: str = "no", settings: str = ""
) -> list[dict[str, Any]]:
    """Return what a strongSwan answers to looks, each the probe's further arguments."""
    (directory / "disk").mkdir()
    (directory / "swanctl.conf").write_text(CONNECTION.format(host=HOST, usual=USUAL, encap=encap))
    (directory / "strongswan.conf").write_text(settings)
    argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", STAGE, "stage"]
    surroundings = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOST": HOST, "OTHER": OTHER,
                    "PYTHON": sys.executable, "PYTHONPATH": str(TOP)}  # fmt: skip
    done = subprocess.run(
        [*argv, str(directory), str(image), *looks],
        cwd=TOP, env=surroundings, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [answer for line in done.stdout.splitlines() for answer in json.loads(line)["answers"]]


def test_the_wanted_proposal_is_accepted_on_both_ports_and_nothing_weak(image: Path, tmp_path: Path) -> None:
    plain, behind, *weak = asked(image, tmp_path, "--weak")
    for seen, port in ((plain, 500), (behind, 4500)):
        assert (seen["verdict"], seen["port"], seen["asked"]) == ("accepted", port, USUAL)
        assert seen["chosen"] == ["aes256", "prfsha256", "sha256", "modp2048"]
        assert (seen["nat_here"], seen["nat_there"]) == (False, False)
    assert [each["asked"] for each in weak] == [*WEAK, "IKEv1 main", "IKEv1 aggressive"]
    assert {(each["verdict"], each["notify"]) for each in weak} == {("refused", "NO_PROPOSAL_CHOSEN")}


def test_another_group_is_met_and_forced_encapsulation_is_seen(image: Path, tmp_path: Path) -> None:
    look = f"--port 500 --source {OTHER} --proposal"
    met, other = asked(
        image,
        tmp_path,
        f"{look} aes256-sha256-ecp256-modp2048",
        f"{look} aes256-sha512-modp2048",
        encap="yes",
    )
    assert (met["verdict"], met["group"], met["tries"]) == ("accepted", "modp2048", 2)
    assert (met["nat_here"], met["nat_there"]) == (False, True)
    assert other["verdict"] == "refused"


def test_a_cookie_is_given_back(image: Path, tmp_path: Path) -> None:
    first, second = asked(image, tmp_path, "--port 500", "--port 500", settings=COOKIES)
    assert (first["verdict"], first["cookie"]) == ("accepted", False)
    assert (second["verdict"], second["cookie"], second["tries"]) == ("accepted", True, 2)
