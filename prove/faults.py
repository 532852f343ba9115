"""Faults of the services that hold a droplet: each is found, by its own check, as the root cause."""

from __future__ import annotations

from prove.fault import Fault

SSHD = "/etc/ssh/sshd_config.d/00-by-hand.conf"
RELOAD = "systemctl reload ssh"


PASSWORDS = "PasswordAuthentication yes\nAuthenticationMethods any"


def _sshd(setting: str) -> str:
    return f"echo '{setting}' > {SSHD} && {RELOAD}"


SSH = (
    Fault(
        "sshd-stopped",
        "ssh.daemon_answers_on_every_address",
        "a stopped sshd is named as such, not as twenty failing checks",
        "systemctl stop ssh.socket ssh.service 2>/dev/null || systemctl stop ssh.service",
    ),
    Fault(
        "controller-shut-out",
        "reach.controller_is_let_in",
        "DenyUsers with the deploy user is found as the controller shut out",
        _sshd("DenyUsers deploy"),
    ),
    Fault(
        "sshd-drop-in-overridden",
        "ssh.settings_are_the_declared",
        "a drop-in that sorts before ours and overrides it is found",
        _sshd("MaxAuthTries 9"),
    ),
    Fault(
        "sshd-password-on",
        "ssh.password_login_is_off",
        "password login switched on by a drop-in is found",
        _sshd("PasswordAuthentication yes"),
    ),
    Fault(
        "sshd-password-on-until-restart",
        "ssh.password_is_refused_on_the_wire",
        "a running sshd that still takes passwords is found although its files say no",
        f"{_sshd(PASSWORDS)} && sleep 1 && rm {SSHD}",
    ),
    Fault(
        "sshd-root-login-on",
        "ssh.root_cannot_log_in",
        "root login switched on is found",
        _sshd("PermitRootLogin yes"),
    ),
    Fault(
        "sshd-weak-algorithm",
        "ssh.only_modern_algorithms_are_offered",
        "a weak cipher on the wire is found",
        _sshd("Ciphers aes128-cbc,aes256-gcm@openssh.com"),
    ),
    Fault(
        "sshd-not-reloaded",
        "ssh.daemon_runs_its_present_config",
        "an sshd older than its configuration is found",
        "sleep 1; touch /etc/ssh/sshd_config",
    ),
)
USERS = (
    Fault(
        "user-with-shell",
        "users.login_shells_are_exactly_the_declared",
        "a user with a shell that nobody declared is found",
        "useradd -m -s /bin/bash mallory",
    ),
    Fault(
        "user-with-password",
        "users.passwords_are_locked_but_for_the_declared",
        "a password set by hand is found",
        "echo 'alice:correct horse' | chpasswd",
    ),
    Fault(
        "console-password-locked",
        "users.passwords_are_locked_but_for_the_declared",
        "a console password that would no longer open is found before it is needed",
        "passwd --quiet --lock deploy",
    ),
    Fault(
        "second-root",
        "users.only_root_has_uid_zero",
        "a second account with uid 0 is found",
        "useradd -o -u 0 -s /usr/sbin/nologin toor",
    ),
    Fault(
        "sudo-right-by-hand",
        "users.sudo_rights_are_exactly_the_declared",
        "a sudo right given by hand is found",
        "echo 'www-data ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/by-hand; chmod 440 /etc/sudoers.d/by-hand",
    ),
    Fault(
        "key-by-hand",
        "users.keys_are_exactly_the_declared",
        "an authorized key that nobody declared is found",
        "mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /tmp/k;"
        " cat /tmp/k.pub >> /root/.ssh/authorized_keys2",
    ),
)
FIREWALL = (
    Fault(
        "rule-before-ufw",
        "firewall.kernel_admits_exactly_the_declared",
        "a rule added by hand before UFW's chains is found in the kernel",
        "iptables -I INPUT 1 -p tcp --dport 8888 -j ACCEPT",
    ),
    Fault(
        "drop-before-ufw",
        "firewall.kernel_admits_exactly_the_declared",
        "a DROP by hand for IPv6 alone is found",
        "ip6tables -I INPUT 1 -p tcp --dport 22 -s 2001:db8:203::/64 -j DROP",
        host="edge2",
    ),
    Fault(
        "forward-by-hand",
        "firewall.nothing_is_forwarded_undeclared",
        "forwarding opened by hand is found",
        "iptables -I FORWARD 1 -j ACCEPT",
    ),
    Fault(
        "nft-table-by-hand",
        "firewall.no_other_table_decides",
        "another nftables table that lets in or drops is found",
        "nft 'add table inet byhand' &&"
        " nft 'add chain inet byhand in { type filter hook input priority -10; }' &&"
        " nft 'add rule inet byhand in tcp dport 9 drop'",
    ),
    Fault(
        "ufw-off-at-boot",
        "firewall.ufw_returns_at_boot",
        "a UFW that would not return at boot is found before the reboot",
        "systemctl disable ufw",
    ),
    Fault(
        "ufw-file-by-hand",
        "firewall.ufw_keeps_what_the_kernel_has",
        "a rule in UFW's files that the kernel does not have is found",
        "sed -i '/^### RULES ###/a ### tuple ### allow tcp 8889 0.0.0.0/0 any 0.0.0.0/0 in\\n"
        "-A ufw-user-input -p tcp --dport 8889 -j ACCEPT' /etc/ufw/user.rules",
    ),
    Fault(
        "ufw-logging-off",
        "firewall.logging_is_as_declared",
        "the firewall's logging switched off is found",
        "ufw logging off",
        also=("drift.managed_files_are_unchanged",),
    ),
    Fault(
        "v6-only-listener",
        "firewall.every_listener_is_declared",
        "a listener on IPv6 alone that nobody declared is found",
        "systemd-run -q --unit=v6only python3 -c 'import socket, time\n"
        "s = socket.socket(socket.AF_INET6); s.setsockopt(41, 26, 1)\n"
        's.bind(("::", 8081)); s.listen(); time.sleep(999)\'; sleep 1',
        host="edge2",
    ),
    Fault(
        "stranger-routed-away",
        "firewall.stranger_reaches_exactly_the_declared",
        "a port that is declared open and cannot be reached from outside is found",
        "ip route add blackhole 203.0.113.0/24",
    ),
)
FAIL2BAN = (
    Fault(
        "fail2ban-stopped",
        "fail2ban.server_answers",
        "a stopped fail2ban is found",
        "systemctl stop fail2ban",
    ),
    Fault(
        "jail-stopped",
        "fail2ban.jails_are_exactly_the_declared",
        "a jail that does not run is found",
        "fail2ban-client stop sshd",
    ),
    Fault(
        "jail-softened",
        "fail2ban.jail_settings_are_effective",
        "a jail softened at run time is found",
        "fail2ban-client set sshd maxretry 99",
    ),
    Fault(
        "jail-log-path-wrong",
        "fail2ban.jails_read_what_is_declared",
        "a jail that is on but reads a log where nothing is written is found",
        "touch /var/log/empty.log; printf '[sshd]\\nbackend = polling\\nlogpath = /var/log/empty.log\\n'"
        " > /etc/fail2ban/jail.d/zz-by-hand.local; systemctl restart fail2ban;"
        " for n in $(seq 50); do fail2ban-client ping >/dev/null 2>&1 && break; sleep 0.1; done",
    ),
    Fault(
        "trusted-by-hand",
        "fail2ban.trusted_are_exactly_the_declared",
        "an address that was made unbannable by hand is found",
        "fail2ban-client set sshd addignoreip 203.0.113.66",
    ),
    Fault(
        "trusted-banned",
        "fail2ban.nobody_trusted_is_banned",
        "a ban of one of our own hosts is found",
        "fail2ban-client set sshd banip 198.51.100.12",
    ),
    Fault(
        "bans-flushed",
        "fail2ban.bans_are_in_the_packet_filter",
        "a ban that fail2ban lists and the kernel does not have is found",
        "fail2ban-client set sshd banip 203.0.113.200; sleep 1; nft delete table inet f2b-table",
    ),
    Fault(
        "ban-without-effect",
        "fail2ban.attacker_is_banned_and_let_in_again",
        "an attacker that is banned in name only is found by really attacking",
        "a=$(fail2ban-client get sshd actions | tail -n 1 | tr -d ' ' | cut -d, -f1);"
        ' fail2ban-client set sshd action "$a" actionban true',
        disruptive=True,
    ),
)
