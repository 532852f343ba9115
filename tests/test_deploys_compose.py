"""Stacks: what their files say, how images are pinned, and what is planned and done for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deploys_on_fake import BUILT, DIGEST, PASSWORD, bare, converged, pins, serve

from control.errors import TrunklineError
from deploys import compose
from deploys._engine import images, secrets
from deploys._ops import project
from deploys._ops.dotenv import dotenv
from deploys._ops.managed import ManagedFile
from inventories.model import Build, Compose, Container, Health, Host, Published, Secret, Stack, load

LAB = load("lab")
WEB1 = LAB.host("web1")
(SHOP,) = compose.declared(WEB1)
TOP = "/etc/trunkline/stacks/shop"


@pytest.fixture(autouse=True)
def known() -> None:
    """Every secret has a value, every build an image."""
    converged(WEB1, LAB)


def files(host: Host = WEB1) -> dict[str, ManagedFile]:
    return {file.path: file for file in compose.files(host, LAB, pins(host))}


def spoken(host: Host = WEB1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files(host)[f"{TOP}/stack.json"].content)
    return found


def block(name: str, host: Host = WEB1) -> str:
    """Return what compose.yaml says of one service."""
    lines = files(host)[f"{TOP}/compose.yaml"].content.partition(f"\n  {name}:\n")[2].splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("    ")), len(lines))
    return "\n".join(lines[:end])


def with_service(**changes: Any) -> Host:
    """Return web1 with a changed redis."""
    redis = SHOP.service("redis").model_copy(update=changes)
    others = tuple(each for each in SHOP.services if each.name != "redis")
    stack = SHOP.model_copy(update={"services": (redis, *others)})
    return WEB1.model_copy(update={"compose": Compose(stacks=(stack,))})


def config(host: Host, name: str) -> str:
    (stack,) = compose.declared(host)
    return project.config(stack.service(name), stack)


def test_every_image_is_pinned() -> None:
    stack = {each["name"]: each for each in spoken()["services"]}
    assert stack["redis"]["image"] == f"redis@{DIGEST}"
    assert stack["api"]["image"] == stack["worker"]["image"] == BUILT
    assert 'pull_policy: "never"' in block("redis")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("redis:7-alpine", "redis"),
        ("registry.example:5000/shop/api:1.2", "registry.example:5000/shop/api"),
        (f"redis@{DIGEST}", "redis"),
    ],
)
def test_a_reference_without_its_tag(reference: str, name: str) -> None:
    assert compose.name_of(reference) == name


def test_an_http_service_has_two_colours_on_loopback_and_a_plain_up_starts_neither() -> None:
    for colour, port in (("a", 8000), ("b", 8001)):
        text = block(f"api-{colour}")
        assert f'profiles: ["{colour}"]' in text
        assert f'{{"host_ip": "127.0.0.1", "published": "{port}", "target": 8000}}' in text
        assert 'aliases": ["api"]' in text
    assert spoken()["services"][1]["upstream"] == "/etc/nginx/upstreams/shop-api.conf"


def test_no_secret_is_in_what_can_be_shown() -> None:
    for file in files().values():
        assert file.secret or PASSWORD not in file.content, file.path
    assert PASSWORD in files()[f"{TOP}/api.env"].content


def test_secrets_let_nobody_in_but_root() -> None:
    modes = {path.removeprefix(TOP): (file.kind, file.mode) for path, file in files().items()}
    assert modes[""] == modes["/files"] == modes["/files/api"] == ("directory", "0700")
    assert modes["/api.env"] == ("file", "0600")
    assert all(mode in ("0600", "0700") or path.startswith("/files/") for path, (_, mode) in modes.items())


def test_the_agent_is_told_how_to_migrate_and_what_to_reload() -> None:
    assert spoken()["migration"]["command"] == ["alembic", "upgrade", "head"]
    assert spoken()["migration"]["dump"] == ["python", "-m", "shop.dump"]
    assert spoken()["reload"] == ["systemctl", "reload", "nginx"]
    assert spoken()["orphans"] is True


def test_a_container_is_told_apart_by_all_that_it_is_but_its_image() -> None:
    before = config(WEB1, "redis")
    assert config(with_service(command=("redis-server",)), "redis") != before
    assert config(with_service(health=Health(command=("true",))), "redis") != before
    assert config(with_service(image="redis:8-alpine"), "redis") != before
    assert config(with_service(command=("redis-server",)), "api") == config(WEB1, "api")


def test_a_new_secret_replaces_only_who_knows_it() -> None:
    before = {name: config(WEB1, name) for name in ("api", "redis")}
    secrets.load({secret.name: f"{PASSWORD}!" for secret in LAB.secrets()})
    assert config(WEB1, "api") != before["api"]
    assert config(WEB1, "redis") == before["redis"]


def test_another_build_is_another_image_and_no_other_configuration() -> None:
    build = Build(context="twin/images/shop", args={"VERSION": "2"})
    services = tuple(
        each.model_copy(update={"image": build}) if isinstance(each.image, Build) else each
        for each in SHOP.services
    )
    stack = SHOP.model_copy(update={"services": services})
    host = WEB1.model_copy(update={"compose": Compose(stacks=(stack,))})
    assert config(host, "api") == config(WEB1, "api")
    assert compose.images_of(host) == ["redis:7-alpine", build]


def test_what_compose_would_take_for_a_variable_is_doubled() -> None:
    host = with_service(command=("sh", "-c", "echo $HOME"))
    assert 'command: ["sh", "-c", "echo $$HOME"]' in block("redis", host)


def test_published_ports_volumes_and_limits_are_declared() -> None:
    published = (Published(port=6379, to=6379, why="the office", sources=("192.0.2.0/24",)),)
    text = block("redis", with_service(published=published, memory_mb=256, user="999"))
    assert '{"host_ip": "0.0.0.0", "published": "6379", "target": 6379, "protocol": "tcp"}' in text
    assert 'mem_limit: "256m"' in text
    assert 'user: "999"' in text
    assert '{"type": "volume", "source": "redis", "target": "/data"}' in text


def test_a_service_on_the_hosts_network_publishes_nothing() -> None:
    text = block("redis", with_service(host_network=True, volumes={}))
    assert 'network_mode: "host"' in text
    assert "ports:" not in text


@pytest.mark.parametrize(
    "value", ["plain", "a b # c", "it's", "$HOME ${X}", '"quoted"', "back\\slash", "two\nlines"]
)
def test_an_environment_file_quotes_what_compose_would_expand(value: str) -> None:
    line = dotenv("KEY", value)
    assert line.startswith("KEY='")
    assert line.endswith("'")


@pytest.mark.parametrize("value", ["ends with \\", "a\\'b", "carriage\rreturn"])
def test_a_value_that_no_environment_file_can_hold_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(TrunklineError) as refused:
        dotenv("KEY", value)
    assert "KEY" in refused.value.message
    assert value not in refused.value.message


def test_a_bare_host_gets_images_upstreams_and_the_stack_in_order() -> None:
    served = serve(WEB1, LAB, bare(WEB1, LAB))
    order = list(served.commands)
    wanted = ["certbot: placeholders", "docker: files", "compose: upstreams", "nginx: files"]
    wanted += ["compose: images", "compose: shop", "certbot: shop.lab.example", "manifest: narrow"]
    assert sorted(wanted, key=order.index) == wanted
    assert served.plan["compose: images"].diff.splitlines() == [
        f"+ redis:7-alpine is redis@{DIGEST}",
        f"+ trunkline/shop:bbbbbbbbbbbb ({BUILT}), built on the controller",
    ]
    assert "set -C && echo 'server 127.0.0.1:8000;'" in served.commands["compose: upstreams"][0]
    assert served.commands["compose: shop"][0].startswith("upload ")
    assert PASSWORD not in str(served.plan)
    assert PASSWORD not in str(served.commands)


def test_an_image_that_is_missing_is_pulled_by_its_digest_though_nothing_else_changes() -> None:
    seen = converged(WEB1, LAB)
    seen.stacks["images"]["redis:7-alpine"] = None
    served = serve(WEB1, LAB, seen)
    assert list(served.commands) == ["compose: images"]
    (command,) = served.commands["compose: images"]
    assert command.startswith(f"python3 -I - redis:7-alpine redis@{DIGEST} trunkline/redis:dddddddddddd <<")


def test_a_reference_keeps_what_it_was_resolved_to() -> None:
    seen = converged(WEB1, LAB)
    seen.digests = {"digests": {"redis:7-alpine": f"sha256:{'e' * 64}"}, "problems": {}}
    assert serve(WEB1, LAB, seen).changes() == []


def test_an_unknown_image_stops_the_plan_with_the_registrys_answer() -> None:
    seen = bare(WEB1, LAB)
    seen.digests = {"digests": {}, "problems": {"redis:7-alpine": "the registry has no such image"}}
    with pytest.raises(TrunklineError, match=r"redis:7-alpine: the registry has no such image\."):
        serve(WEB1, LAB, seen)


def test_what_runs_and_is_not_as_declared_is_converged_though_no_file_differs() -> None:
    seen = converged(WEB1, LAB)
    step = {"service": "worker", "action": "start", "what": "start shop-worker-1", "why": "it is exited"}
    seen.stacks["stacks"]["shop"]["todo"] = [step]
    served = serve(WEB1, LAB, seen)
    assert served.plan["compose: shop"].diff == "worker: start shop-worker-1 (it is exited)"
    (command,) = served.commands["compose: shop"]
    assert command.endswith(" stack converge shop")


def test_a_plan_says_of_each_service_what_happens_and_why() -> None:
    seen = converged(WEB1, LAB)
    steps = [
        {"service": "api", "action": "image", "what": "fetch it", "why": "the image is not on this host"},
        {"service": "api", "action": "switch-b", "what": "second colour on 8001, then switch", "why": "new"},
    ]
    seen.stacks["stacks"]["shop"]["todo"] = steps
    seen.files[f"{TOP}/compose.yaml"] = {"is": "absent", "content": None}
    lines = serve(WEB1, LAB, seen).plan["compose: shop"].diff.splitlines()
    assert lines[0] == "api: second colour on 8001, then switch (new)"
    assert lines[1].startswith(f"--- {TOP}/compose.yaml")


def test_a_stack_that_nobody_declares_any_longer_is_stopped_before_its_files_go() -> None:
    seen = converged(WEB1, LAB)
    seen.system["manifest"]["resources"] += [
        {"kind": "stack", "name": "old", "service": "compose", "remove": {}},
        {"kind": "file", "name": "/etc/trunkline/stacks/old/stack.json", "service": "compose", "remove": {}},
    ]
    seen.files["/etc/trunkline/stacks/old/stack.json"] = {"is": "file root root 0600 0", "content": None}
    served = serve(WEB1, LAB, seen)
    order = list(served.commands)
    assert order.index("orphans: stacks") < order.index("orphans: files")
    (command,) = served.commands["orphans: stacks"]
    assert command.endswith(" stack remove old")


def test_a_host_that_serves_no_longer_loses_stack_sites_and_units_and_keeps_its_data() -> None:
    seen = converged(WEB1, LAB)
    left = WEB1.model_copy(update=dict.fromkeys(("docker", "nginx", "compose", "certbot")))
    gone = [each for each in seen.system["manifest"]["resources"] if each["kind"] == "file"]
    seen.files = {each["name"]: {"is": "file root root 0644 0", "content": None} for each in gone}
    mine = {file.path for file in compose.files(WEB1, LAB, pins(WEB1))}
    served = serve(left, LAB.model_copy(update={"hosts": (left,)}), seen)
    assert served.commands["orphans: stacks"][0].endswith(" stack remove shop")
    stopped = " ".join(served.commands["orphans: units"])
    assert all(unit in stopped for unit in ("docker.service", "nginx.service", "certbot.timer"))
    assert served.commands["orphans: sites"] == ["rm -rf /srv/trunkline/sites/shop.lab.example"]
    removed = served.plan["orphans: files"].diff
    assert all(path in removed for path in mine if path.endswith((".yaml", ".env")))
    assert "letsencrypt/live" not in removed
    assert "volume" not in str(served.commands)


def test_an_image_that_nobody_built_is_named() -> None:
    images.load({})
    with pytest.raises(TrunklineError, match="twin/images/shop was not built"):
        images.built(Build(context="twin/images/shop"))


def test_many_stacks_share_a_host() -> None:
    other = Stack(
        name="other",
        services=(
            Container(
                name="cache", role="stateful", image="redis:7-alpine", environment={"A": Secret(name="a")}
            ),
        ),
    )
    host = WEB1.model_copy(update={"compose": Compose(stacks=(SHOP, other))})
    secrets.load({**{secret.name: PASSWORD for secret in LAB.secrets()}, "a": "value"})
    paths = [file.path for file in compose.files(host, LAB, pins(host))]
    assert len(paths) == len(set(paths))
    assert "/etc/trunkline/stacks/other/cache.env" in paths
