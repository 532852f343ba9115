"""Faults of a droplet's upkeep: updates, kernel, clock, journal, disk, and what nobody declared."""

from __future__ import annotations

from prove.fault import Fault

APT = "/etc/apt/apt.conf.d/zz-by-hand"

UPDATES = (
    Fault(
        "timer-masked",
        "updates.unattended_upgrades_will_run",
        "a masked upgrade timer is found",
        "systemctl mask --now apt-daily-upgrade.timer",
        also=("drift.units_are_known", "machine.no_unit_has_failed"),
    ),
    Fault(
        "reboot-by-hand",
        "updates.automatic_reboot_is_as_declared",
        "an automatic reboot other than declared is found",
        f"echo 'Unattended-Upgrade::Automatic-Reboot-Time \"12:00\";' > {APT}",
    ),
    Fault(
        "security-update-left",
        "updates.no_security_update_is_left",
        "a security update that the nightly run left out is found",
        "sed -i '/^Package: ca-certificates$/,/^$/s/^Version: .*/Version: 20200101/' /var/lib/dpkg/status;"
        " sleep 1; touch /var/lib/apt/periodic/unattended-upgrades-stamp",
    ),
    Fault(
        "package-lists-old",
        "updates.package_lists_are_fresh",
        "package lists nine days old are found",
        "find /var/lib/apt/lists /var/lib/apt/periodic /var/cache/apt -exec touch -d '9 days ago' {} +",
    ),
    Fault(
        "upgrades-broken",
        "updates.dry_run_succeeds",
        "an unattended-upgrade that could not run is found by a dry run",
        "mv /usr/bin/unattended-upgrade /usr/bin/unattended-upgrade.gone",
        disruptive=True,
    ),
    Fault(
        "needrestart-by-hand",
        "updates.needrestart_is_kept_in_check",
        "a needrestart that would wait for a person in the night is found",
        "mkdir -p /etc/needrestart/conf.d;"
        " echo \"\\$nrconf{restart} = 'i';\" > /etc/needrestart/conf.d/zzz-by-hand.conf",
    ),
    Fault(
        "reboot-overdue",
        "updates.no_reboot_is_overdue",
        "a reboot that is nine days overdue is found",
        "touch -d '9 days ago' /run/reboot-required",
    ),
    Fault(
        "dpkg-interrupted",
        "updates.packages_are_consistent",
        "a package that was left half configured is found",
        "sed -i '/^Package: tzdata$/,/^$/s/^Status: .*/Status: install ok half-configured/'"
        " /var/lib/dpkg/status",
    ),
)
KERNEL = (
    Fault(
        "sysctl-file-by-hand",
        "sysctl.kernel_settings_hold",
        "a file that would undo a kernel setting at the next boot is found",
        "echo 'kernel.dmesg_restrict = 0' > /etc/sysctl.d/zzz-by-hand.conf",
        was="not proven",
    ),
    Fault(
        "swap-file-gone",
        "swap.is_exactly_the_declared",
        "a swap file that is gone is found",
        "rm -f /swapfile",
        host="edge2",
        was="not proven",
    ),
    Fault(
        "sysctl-at-run-time",
        "sysctl.network_settings_hold",
        "a sysctl changed at run time is found although the file is right",
        "sysctl -qw net.ipv4.conf.all.accept_redirects=1",
    ),
)
TIME = (
    Fault(
        "clock-off",
        "time.clock_is_right",
        "a clock that is half a minute off is found",
        "true",
        clock_off=30,
    ),
    Fault("chrony-stopped", "time.clock_is_kept", "a stopped chrony is found", "systemctl stop chrony"),
    Fault(
        "time-source-by-hand",
        "time.sources_are_exactly_the_declared",
        "a time source that nobody declared is found",
        "chronyc -n add server 192.0.2.99",
    ),
    Fault(
        "zone-by-hand",
        "time.zone_is_the_declared",
        "another time zone is found",
        "ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime",
    ),
)
JOURNAL = (
    Fault(
        "journal-limits-by-hand",
        "journal.limits_are_effective",
        "a journal with other limits than declared is found",
        "mkdir -p /etc/systemd/journald.conf.d; printf '[Journal]\\nSystemMaxUse=1G\\n'"
        " > /etc/systemd/journald.conf.d/zz-by-hand.conf; systemctl restart systemd-journald",
    ),
    Fault(
        "journal-volatile",
        "journal.logs_survive_a_reboot",
        "a journal that a reboot would lose is found",
        "mkdir -p /etc/systemd/journald.conf.d; printf '[Journal]\\nStorage=volatile\\n'"
        " > /etc/systemd/journald.conf.d/zz-by-hand.conf; systemctl restart systemd-journald",
        also=("journal.limits_are_effective",),
    ),
)
MACHINE = (
    Fault(
        "release-other",
        "machine.release_is_the_declared",
        "a host that runs another release than declared is found",
        "sed -i 's/^VERSION_ID=.*/VERSION_ID=\"14\"/' /usr/lib/os-release",
    ),
    Fault(
        "release-out-of-support",
        "machine.release_is_supported",
        "a release out of support is found by its date",
        "echo SUPPORT_END=2020-01-01 >> /usr/lib/os-release",
        host="edge2",
    ),
    Fault(
        "unit-failed",
        "machine.no_unit_has_failed",
        "a failed unit is found",
        "systemd-run -q --unit=broken false; sleep 1",
    ),
    Fault(
        "daemon-not-restarted",
        "machine.daemons_run_their_present_config",
        "a daemon older than its configuration is found",
        "sleep 1; touch /etc/systemd/journald.conf",
    ),
    Fault(
        "disk-full",
        "machine.disk_has_room",
        "a full disk is found, and named as the root of what it breaks",
        "n=$(df --output=avail -k / | tail -n 1); fallocate -l $((n - 2048))K /var/fill",
    ),
    Fault(
        "binary-replaced",
        "machine.no_process_runs_a_replaced_binary",
        "a process whose program is gone from the disk is found",
        "cp /bin/sleep /usr/local/bin/linger; systemd-run -q --unit=linger /usr/local/bin/linger 999;"
        " sleep 1; rm /usr/local/bin/linger",
    ),
)
DRIFT = (
    Fault(
        "managed-file-by-hand",
        "drift.managed_files_are_unchanged",
        "a managed file changed by hand is found",
        "python3 - <<'E'\nimport json\n"
        'm = json.load(open("/var/lib/trunkline/manifest.json"))\n'
        'files = [r for r in m["resources"] if r["kind"] == "file"]\n'
        'path = next(r["name"] for r in files if "/apt/" in r["name"])\n'
        'open(path, "a").write("# by hand\\n")\nE',
    ),
    Fault(
        "foreign-unit",
        "drift.units_are_known",
        "a unit that nobody declared is named",
        "printf '[Service]\\nExecStart=/bin/sleep 999\\n[Install]\\nWantedBy=multi-user.target\\n'"
        " > /etc/systemd/system/by-hand.service; systemctl -q enable by-hand.service",
        verdict="warn",
    ),
    Fault(
        "foreign-cron",
        "drift.cron_jobs_are_known",
        "a cron job that nobody declared is named",
        "mkdir -p /etc/cron.d; echo '* * * * * root true' > /etc/cron.d/by-hand",
        verdict="warn",
    ),
    Fault(
        "foreign-apt-source",
        "drift.apt_sources_are_known",
        "a package source that nobody declared is named",
        "echo 'deb http://packages.lab.example/ stable main' > /etc/apt/sources.list.d/by-hand.list",
        verdict="warn",
    ),
    Fault(
        "foreign-drop-in",
        "drift.configuration_files_are_known",
        "a configuration file that nobody declared is named although it is harmless",
        "echo '# nothing' > /etc/sysctl.d/50-by-hand.conf",
        verdict="warn",
    ),
)
