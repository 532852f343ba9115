"""Our settings of needrestart, as Perl itself reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploys._ops.render import render
from deploys.updates import Upgrades, pattern

UNITS = ("asterisk.service", "openvpn@office.service", "strongswan-starter.service", "a\\x2db.service")
READ = """our %nrconf; my $f = shift; eval do { local(@ARGV, $/) = $f; <> }; die $@ if $@;
for my $unit (@ARGV) {
    my $left = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
    print $left ? "left" : "restarted", "\\n";
}"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our settings for some units that must not be disturbed."""
    upgrades = Upgrades((), (), False, None, tuple(map(pattern, UNITS)))
    path = tmp_path_factory.mktemp("needrestart") / "zz-trunkline.conf"
    path.write_text(render("updates", "zz-trunkline.conf", upgrades))
    return path


def said(settings: Path, *units: str) -> list[str]:
    """Return what needrestart would make of each unit; it reads its settings by `eval` as well."""
    argv = ["perl", "-Mstrict", "-Mwarnings=FATAL,all", "-e", READ, str(settings), *units]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_every_undisturbed_unit_is_left_alone(settings: Path) -> None:
    assert said(settings, *UNITS) == ["left"] * len(UNITS)


@pytest.mark.parametrize(
    "unit", ["asteriskXservice", "my-asterisk.service", "asterisk.service.d", "cron.service"]
)
def test_no_other_unit_is(settings: Path, unit: str) -> None:
    assert said(settings, unit) == ["restarted"]


def test_perl_reads_the_settings_without_a_warning(settings: Path) -> None:
    done = subprocess.run(["perl", "-wc", str(settings)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
