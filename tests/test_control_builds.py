"""Which images a deploy brings along."""

from __future__ import annotations

from control.builds import built, declared
from control.progress import SilentBoard
from control.target import Target
from inventories.model import Build, Compose, Stack, load

LAB = load("lab")
WEB1 = LAB.host("web1")


def target(*hosts: str) -> Target:
    return Target(LAB, "lab", tuple(LAB.host(name) for name in hosts))


def test_what_many_services_run_is_built_once() -> None:
    ((build, hosts),) = declared(target("edge1", "web1")).values()
    assert build == Build(context="twin/images/shop")
    assert hosts == ["web1"]


def test_hosts_share_what_both_run_and_another_argument_is_another_image() -> None:
    assert WEB1.compose
    (stack,) = WEB1.compose.stacks
    other = Build(context="twin/images/shop", args={"VERSION": "2"})
    services = tuple(
        each.model_copy(update={"image": other}) if each.name == "beat" else each for each in stack.services
    )
    stacks = Compose(stacks=(Stack(name="shop", services=services),))
    web2 = WEB1.model_copy(update={"name": "web2", "compose": stacks})
    environment = LAB.model_copy(update={"hosts": (WEB1, web2)})
    found = declared(Target(environment, "lab", (WEB1, web2)))
    assert {build.args.get("VERSION", ""): hosts for build, hosts in found.values()} == {
        "": ["web1", "web2"],
        "2": ["web2"],
    }


def test_where_nothing_is_built_no_builder_is_needed() -> None:
    assert built(target("edge1", "edge2"), SilentBoard()) == {}
