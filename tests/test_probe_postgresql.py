"""The small PostgreSQL client: SCRAM by the RFC's own example, and a server that admits plain."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from verify.probes.postgresql import Account, Refused, Scram, plain, startup

NONCE = "rOprNGfwEbeRWgbNEkqO"
CHALLENGE = f"r={NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
OUTCOME = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
ACCOUNT = Account("shop", "shop", "a secret")


def test_the_example_of_rfc_7677_is_answered_as_printed_there() -> None:
    scram = Scram("pencil", nonce=NONCE, user="user")
    assert scram.first == f"n,,n=user,r={NONCE}"
    assert scram.final(CHALLENGE) == f"c=biws,{CHALLENGE.split(',')[0]},p={PROOF}"
    scram.verify(OUTCOME)


def test_a_server_that_does_not_know_the_password_is_refused() -> None:
    scram = Scram("another", nonce=NONCE, user="user")
    scram.final(CHALLENGE)
    with pytest.raises(Refused):
        scram.verify(OUTCOME)


@pytest.mark.parametrize("nonce", ["somebody else's", NONCE])
def test_a_challenge_that_was_not_made_for_us_is_refused(nonce: str) -> None:
    with pytest.raises(Refused, match="nonce"):
        Scram("pencil", nonce=NONCE).final(f"r={nonce},s=AAAA,i=4096")


def test_a_password_is_in_no_representation() -> None:
    assert "secret" not in repr(ACCOUNT)
    assert b"secret" not in startup(ACCOUNT)


AUTHENTICATION = b"R" + struct.pack("!II", 8, 10)
ERROR = b"E" + struct.pack("!I", 10) + b"C28000"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [(AUTHENTICATION, "goes on to the password"), (ERROR, "refused"), (b"", "refused")],
)
def test_a_server_that_would_ask_for_the_password_in_plain_is_told_from_one_that_refuses(
    said: bytes, wanted: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert plain("127.0.0.1", server.getsockname()[1], ACCOUNT) == wanted
        thread.join()
