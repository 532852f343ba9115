"""The tables of proofs, in the order in which they run."""

from __future__ import annotations

from prove import (
    canary,
    coverage,
    errors,
    faults,
    faults_asterisk,
    faults_calls,
    faults_certificates,
    faults_containers,
    faults_pbx,
    faults_tunnels,
    faults_web,
    hosts,
    kills,
    lockouts,
    newcomer,
    switches,
    torture,
    upkeep,
)
from prove.row import Row

FAULTS = (
    *faults.SSH,
    *faults.USERS,
    *faults.FIREWALL,
    *faults.FAIL2BAN,
    *upkeep.UPDATES,
    *upkeep.KERNEL,
    *upkeep.TIME,
    *upkeep.JOURNAL,
    *upkeep.MACHINE,
    *upkeep.DRIFT,
    *faults_containers.FAULTS,
    *faults_web.FAULTS,
    *faults_certificates.FAULTS,
    *faults_tunnels.FAULTS,
    *faults_pbx.FAULTS,
    *faults_asterisk.FAULTS,
    *faults_calls.FAULTS,
)
TABLES: dict[str, tuple[Row, ...]] = {
    "errors": errors.ROWS,
    "faults": tuple(fault.row for fault in FAULTS),
    "coverage": coverage.rows(FAULTS),
    "lockouts": lockouts.ROWS,
    "kills": kills.ROWS,
    "switches": switches.ROWS,
    "torture": torture.ROWS,
    "hosts": hosts.ROWS,
    "canary": canary.ROWS,
    "newcomer": newcomer.ROWS,
}
