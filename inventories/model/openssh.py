"""What each version of OpenSSH can do, and which of it is modern."""

from __future__ import annotations

from inventories.model.record import Record

CIPHERS = (
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
)
MACS = ("hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com")
HOST_KEYS = ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")
"""What a host proves itself with: NIST curves are left out, every client of ours knows Ed25519."""
USER_KEYS = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
"""What a user may prove themselves with: the algorithms of every key type that `PublicKey` takes."""
CLASSIC = ("curve25519-sha256", "curve25519-sha256@libssh.org", "diffie-hellman-group16-sha512")


class OpenSsh(Record):
    """A version of OpenSSH: its modern algorithms, best first, and the options that came late."""

    version: tuple[int, int]
    kex: tuple[str, ...]
    ciphers: tuple[str, ...] = CIPHERS
    macs: tuple[str, ...] = MACS
    host_keys: tuple[str, ...] = HOST_KEYS
    user_keys: tuple[str, ...] = USER_KEYS

    @property
    def required_rsa_size(self) -> bool:
        """RequiredRSASize is known (9.1 and later)."""
        return self.version >= (9, 1)

    @property
    def prints_config(self) -> bool:
        """`sshd -G` prints the configuration without host keys (9.3 and later)."""
        return self.version >= (9, 3)

    @property
    def penalties(self) -> bool:
        """PerSourcePenalties shuts clients out by itself, on by default (9.8 and later)."""
        return self.version >= (9, 8)

    @property
    def process(self) -> str:
        """The process that serves a connection and writes its log lines (sshd-session from 9.8 on)."""
        return "sshd-session" if self.version >= (9, 8) else "sshd"


_SNTRUP = "sntrup761x25519-sha512@openssh.com"
OPENSSH_8_9 = OpenSsh(version=(8, 9), kex=(_SNTRUP, *CLASSIC))
OPENSSH_9_2 = OpenSsh(version=(9, 2), kex=(_SNTRUP, *CLASSIC))
OPENSSH_9_6 = OpenSsh(version=(9, 6), kex=(_SNTRUP, *CLASSIC))
_MLKEM = ("mlkem768x25519-sha256", "sntrup761x25519-sha512", _SNTRUP, *CLASSIC)
OPENSSH_10_0 = OpenSsh(version=(10, 0), kex=_MLKEM)
OPENSSH_10_6 = OpenSsh(version=(10, 6), kex=_MLKEM)
