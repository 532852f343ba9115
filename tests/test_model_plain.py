"""A secret in plain text is refused wherever a stack could hold one, and its value is never repeated."""

from __future__ import annotations

import pytest
from declared import Declare, made, refused
from declared_web import api, redis, running, serving

from inventories.model import Build, Container, Secret, checked

VALUE = "hunter2"
PLACE = "web1 compose.stacks[shop].services[api]"
REFERENCE = (
    "what looks like a secret stands here in plain text, wanted a reference to a secret; write"
    ' Secret(name="{}"), and give a new value to `invoke secrets.set NAME`; what stood here is no'
    " secret any more"
)


def variable(name: str, value: object) -> Declare:
    """Return the declaration of a service with this variable."""
    return lambda: serving(environment={name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_PASSWORD", VALUE),
        ("PGPASSWORD_", VALUE),
        ("SECRET_KEY", VALUE),
        ("STRIPE_TOKEN", VALUE),
        ("API_KEY2", VALUE),
        ("django_secret", VALUE),
        ("DATABASE_URL", f"postgresql://shop:{VALUE}@db.lab.example:25060/shop"),
        ("BROKER_URL", f"redis://:{VALUE}@redis:6379/0"),
        ("DSN", f"host=db.lab.example user=shop password={VALUE}"),
        ("SIGNER", f"-----BEGIN PRIVATE KEY----- {VALUE}"),
    ],
)
def test_a_variable_that_holds_a_secret_is_refused_without_its_value(name: str, value: str) -> None:
    (sentence,) = refused(variable(name, value))
    assert sentence == f"{PLACE}.environment[{name}]: {REFERENCE.format(name.lower().strip('_'))}"
    assert VALUE not in sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_PASSWORD", Secret(name="db_password")),
        ("DATABASE_PASSWORD_FILE", "/run/secrets/db_password"),
        ("DATABASE_URL", "postgresql://db.lab.example:25060/shop?sslmode=verify-full"),
        ("BROKER_URL", "redis://redis:6379/0"),
        ("SENTRY_DSN", "https://0123456789@errors.lab.example/1"),
        ("VAPID_PUBLIC_KEY", "BPk"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "30"),
        ("CACHE_KEY_PREFIX", "shop"),
        ("MONKEYS", "3"),
        ("SECRET_KEY", ""),
    ],
)
def test_a_variable_that_everyone_may_read_is_accepted(name: str, value: object) -> None:
    assert checked(variable(name, value))


@pytest.mark.parametrize(
    ("declare", "sentence"),
    [
        (
            lambda: serving(image=Build(context="twin/images/shop", args={"PIP_TOKEN": VALUE})),
            f"{PLACE}.image.args[PIP_TOKEN]: what looks like a secret would stay in the image, wanted build"
            " arguments that everyone may read; give it to the container instead: environment or files, as a"
            " Secret",
        ),
        (
            lambda: serving(command=("serve", f"--database=postgresql://shop:{VALUE}@db/shop")),
            f"{PLACE}.command: what looks like a secret would stand in the process list, wanted a command"
            " that everyone may read; give it to the container instead: environment or files, as a Secret",
        ),
        (
            variable("PASSWORD", f"one\n{VALUE}"),
            f"{PLACE}.environment[PASSWORD]: a value with a line break in it, wanted one line; write it on"
            " one line, or as a file: files={...}",
        ),
        (
            variable("PASSWORD", 4711),
            f"{PLACE}.environment[PASSWORD]: neither of the two, wanted text in quotes or a Secret; put"
            " numbers in quotes as well",
        ),
        (
            lambda: serving(environment=(("PASSWORD", VALUE),)),
            f'{PLACE}.environment: something else, wanted a dict; write it as {{"NAME": "value"}}',
        ),
        (
            variable("db-password", VALUE),
            f"{PLACE}.environment[db-password]: 'db-password' is not the name of an environment variable; use"
            " letters, digits and underscores",
        ),
        (
            lambda: serving(files={"/run/secrets/key": VALUE}),
            f"{PLACE}.files[/run/secrets/key]: a value in plain text, wanted a reference to a secret; write"
            ' Secret(name="..."), and give the value to `invoke secrets.set NAME`; what stood here is no'
            " secret any more",
        ),
        (
            lambda: serving(environment={"PASSWORD": made(Secret, name="DB-Password")}),
            f"{PLACE}.environment[PASSWORD].name: 'DB-Password' is not a secret's name; use small letters,"
            " digits and underscores, a letter first",
        ),
    ],
    ids=[
        "a build argument",
        "a word of a command",
        "two lines",
        "a number",
        "pairs",
        "a name with a hyphen",
        "a file",
        "a reference with a typo",
    ],
)
def test_what_a_service_may_not_be_given_is_said_without_its_value(declare: Declare, sentence: str) -> None:
    assert refused(declare) == [sentence]
    assert VALUE not in sentence


def test_secrets_within_a_stack_are_collected_once_and_shown_as_stars() -> None:
    key, ca, word = (Secret(name=name) for name in ("shop_key", "db_ca", "crm_password"))
    given = {"environment": {"SECRET_KEY": key, "MODE": "live"}, "files": {"/run/secrets/ca.pem": ca}}
    other = redis(environment={"OTHER_KEY": key, "PASSWORD": word})
    one = running(other, api("admin", loopback=(9000, 9001), **given))
    assert one.secrets() == (key, word, ca)
    shown = one.resolved()["hosts"][0]["compose"]["stacks"][0]["services"][2]
    assert shown["environment"] == {"SECRET_KEY": "*** (shop_key)", "MODE": "live"}
    assert shown["files"] == {"/run/secrets/ca.pem": "*** (db_ca)"}


def test_the_fingerprint_follows_what_a_container_is_given() -> None:
    def digest(**more: object) -> str:
        return serving(**more).fingerprint()

    prints = {
        digest(),
        digest(environment={"MODE": "live"}),
        digest(environment={"KEY": Secret(name="a")}),
        digest(environment={"KEY": Secret(name="b")}),
        digest(files={"/key": Secret(name="a")}),
        digest(image="redis:7"),
    }
    assert len(prints) == 6


def test_a_container_with_a_plain_word_for_its_image_is_made_without_a_reading() -> None:
    assert isinstance(Container(name="redis", role="worker", image="redis:7").image, str)
