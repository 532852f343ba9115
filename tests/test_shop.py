"""The lab's shop, on SQLite and without a broker: what needs neither PostgreSQL nor Redis."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient
from redis import Redis
from sqlalchemy import Engine, StaticPool, create_engine, inspect, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

SHOP = Path(__file__).resolve().parent.parent / "twin/images/shop"


def closed_port() -> int:
    """Return a port of loopback where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


NOBODY = closed_port()
ENVIRONMENT = {
    "DATABASE_HOST": "db.test",
    "DATABASE_PORT": "25060",
    "DATABASE_USER": "shop",
    "DATABASE_NAME": "shop",
    "DATABASE_PASSWORD": "database-password",
    "DATABASE_CA": "/nowhere/db.pem",
    "BROKER_URL": f"redis://127.0.0.1:{NOBODY}/0",
    "CACHE_HOST": "127.0.0.1",
    "CACHE_PORT": str(NOBODY),
    "CACHE_PASSWORD": "cache-password",
    "CACHE_CA": "/nowhere/cache.pem",
    "SECRET_KEY": "secret-key",
    "WEBHOOK_SECRET": "webhook-secret",
}
os.environ |= ENVIRONMENT  # the modules below read it when they are imported, as in a container

from shop import dump, health  # noqa: E402
from shop.api import app  # noqa: E402
from shop.database import Base, Order, Tick, connect_arguments, session  # noqa: E402
from shop.settings import NotSet, Settings, version  # noqa: E402
from shop.signature import sign  # noqa: E402
from shop.stores import cache  # noqa: E402
from shop.tasks import confirm_open, note_tick  # noqa: E402


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring a database up or down to a revision, as the container's `alembic` would."""
    config = Config(SHOP / "alembic.ini")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        if to == "base":
            command.downgrade(config, to)
        else:
            command.upgrade(config, to)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    def opened() -> Iterator[Session]:
        with Session(engine) as one:
            yield one

    app.dependency_overrides = {session: opened, cache: lambda: Redis(port=NOBODY)}
    yield TestClient(app, raise_server_exceptions=False)
    app.dependency_overrides = {}


def test_the_revisions_make_exactly_the_tables_that_the_application_knows(engine: Engine) -> None:
    found = {
        name: {column["name"] for column in inspect(engine).get_columns(name)}
        for name in inspect(engine).get_table_names()
    }
    assert found.pop("alembic_version") == {"version_num"}
    assert found == {table.name: set(table.columns.keys()) for table in Base.metadata.sorted_tables}


def test_the_revisions_can_be_taken_back(engine: Engine) -> None:
    migrate(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert "orders" in inspect(engine).get_table_names()


def test_an_order_written_before_a_revision_is_there_after_it() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO orders (customer, item, quantity) VALUES ('Ada', 'tea', 2)")
    migrate(engine)
    with Session(engine) as opened:
        assert [(order.item, order.confirmed) for order in opened.scalars(select(Order))] == [("tea", None)]


def test_an_order_is_kept_although_the_broker_is_away_and_a_tick_confirms_it(
    client: TestClient, engine: Engine
) -> None:
    placed = client.post("/api/orders", json={"customer": "Ada", "item": "tea", "quantity": 2})
    assert placed.status_code == 201
    assert client.get("/api/orders").json()[0]["confirmed"] is None
    with Session(engine) as opened:
        assert confirm_open(opened) == 1
        assert confirm_open(opened) == 0
    assert client.get("/api/orders").json()[0]["confirmed"] is not None


def test_who_placed_an_order_is_shown_to_the_receipt_only(client: TestClient) -> None:
    placed = client.post("/api/orders", json={"customer": "Ada", "item": "tea"}).json()
    address = f"/api/orders/{placed['id']}"
    assert client.get(address, params={"receipt": placed["receipt"]}).json()["customer"] == "Ada"
    assert client.get(address, params={"receipt": "0" * 64}).status_code == 404
    assert "Ada" not in client.get("/api/orders").text


@pytest.mark.parametrize(
    "wish",
    [{}, {"customer": " ", "item": "tea"}, {"customer": "Ada", "item": "tea", "quantity": 0}, {"x": 1}],
)
def test_an_order_that_makes_no_sense_is_refused(client: TestClient, wish: dict[str, object]) -> None:
    assert client.post("/api/orders", json=wish).status_code == 422


def test_the_version_is_the_file_s_and_the_worker_s_last_tick_is_told(
    client: TestClient, engine: Engine
) -> None:
    assert client.get("/api/version").json()["worker"] is None
    with Session(engine) as opened:
        note_tick(opened, "worker")
        note_tick(opened, "worker")
        assert len(opened.scalars(select(Tick)).all()) == 1
    about = client.get("/api/version").json()
    assert about["version"] == version() == (SHOP / "VERSION").read_text().strip()
    assert about["worker"]


def test_health_needs_the_database_and_says_nothing_of_what_is_wrong_inside(client: TestClient) -> None:
    assert client.get("/api/health").json() == {"status": "ok"}

    def away() -> Session:
        raise OperationalError("SELECT 1", {}, Exception("password of db.test is database-password"))

    app.dependency_overrides[session] = away
    answer = client.get("/api/health")
    assert answer.status_code == 503
    assert "db.test" not in answer.text


def test_an_error_in_the_code_is_answered_without_a_trace(client: TestClient) -> None:
    def broken() -> Session:
        raise RuntimeError("secret-key in the code")

    app.dependency_overrides[session] = broken
    answer = client.get("/api/orders")
    assert answer.status_code == 500
    assert answer.json() == {"detail": "Something went wrong here."}


def test_the_socket_tells_the_version_and_echoes(client: TestClient) -> None:
    with client.websocket_connect("/ws") as socket:
        assert socket.receive_json()["version"] == version()
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


def test_a_slow_answer_comes_after_its_time_and_never_takes_over_a_minute(client: TestClient) -> None:
    assert client.get("/api/slow", params={"seconds": 0.01}).json() == {"slept": 0.01}
    assert client.get("/api/slow", params={"seconds": 61}).status_code == 422


@pytest.mark.parametrize("signature", [None, "", "sha256=", "sha256=" + "0" * 64, "ä"])
def test_a_call_without_the_right_signature_is_refused(client: TestClient, signature: str | None) -> None:
    headers = {} if signature is None else {"X-Signature": signature.encode()}
    assert client.post("/webhook/phone", content=b"{}", headers=headers).status_code == 403


def test_a_signed_call_is_read_and_its_sender_told_to_come_again_where_the_cache_is_away(
    client: TestClient,
) -> None:
    def post(call: object) -> int:
        body = json.dumps(call).encode()
        signature = f"sha256={sign(b'webhook-secret', body)}"
        return client.post("/webhook/phone", content=body, headers={"X-Signature": signature}).status_code

    assert post({"id": "1"}) == 422
    assert post({"id": "1", "caller": "+49301", "callee": "200"}) == 503


def test_the_database_is_only_spoken_to_when_its_certificate_bears_its_name() -> None:
    told = connect_arguments(Settings.of(ENVIRONMENT).database)
    assert (told["sslmode"], told["sslrootcert"]) == ("verify-full", "/nowhere/db.pem")


def test_a_missing_variable_is_named_and_no_password_is_shown() -> None:
    with pytest.raises(NotSet, match="CACHE_HOST"):
        Settings.of({name: value for name, value in ENVIRONMENT.items() if name != "CACHE_HOST"})
    assert "password" not in repr(Settings.of(ENVIRONMENT))


@pytest.mark.parametrize("words", [["api"], ["beat"], ["worker", "worker@shop"]])
def test_a_part_that_does_not_answer_is_unwell(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health.api, "__defaults__", (f"http://127.0.0.1:{NOBODY}/",))
    assert health.main(words) == 1
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["cook"], ["worker"], ["beat", "worker@shop"]])
def test_an_unknown_part_is_refused(words: list[str]) -> None:
    assert health.main(words) == 2


def test_the_part_that_is_asked_most_often_is_asked_cheaply() -> None:
    """What the API's health check imports is paid for every five seconds on every host."""
    code = "import sys, shop.health; print({'redis', 'celery'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=SHOP, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_dump_has_every_row_of_every_table(client: TestClient, engine: Engine) -> None:
    client.post("/api/orders", json={"customer": "Ada", "item": "tea", "quantity": 3})
    with engine.connect() as connection:
        found = list(dump.rows(connection))
    assert {"in": "alembic_version", "row": ["0002"]} in found
    assert [row["row"][1:4] for row in found if row.get("in") == "orders"] == [["Ada", "tea", 3]]


def test_every_asset_of_the_page_is_named_by_its_digest() -> None:
    page = (SHOP / "site/index.html").read_text()
    assets = sorted((SHOP / "site/assets").iterdir())
    for asset in assets:
        digest = asset.stem.rpartition("-")[2]
        assert hashlib.sha256(asset.read_bytes()).hexdigest().startswith(digest)
        assert len(digest) == 12
    assert sorted(re.findall(r'"/assets/([^"]+)"', page)) == [asset.name for asset in assets]


def test_the_page_keeps_to_a_policy_of_self() -> None:
    """Nothing inline, and nothing from elsewhere (CSP Level 3, sections 4.2.3 and 6.7.3)."""
    page = (SHOP / "site/index.html").read_text()
    inline = re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", page)
    assert not inline
    assert "://" not in page
