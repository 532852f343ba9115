"""Stacks on a real host with Docker and Nginx: changed without a failed request, and whole after anything."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from agent_on_host import AGENT, Host
from stack_on_host import HOME, PASSWORD, UPSTREAM, Stack

from inventories.model import Environment
from twin.twin import Twin

HTTP = ("web",)


@pytest.fixture(scope="module")
def host(lab: Environment) -> Iterator[Host]:
    one = lab.model_copy(update={"hosts": (lab.host("web1"),), "databases": ()})
    twin = Twin(one, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-stack")
    twin.erase()
    try:
        twin.up()
        yield Host(twin, "web1")
    finally:
        twin.erase()


@pytest.fixture(scope="module")
def images(host: Host) -> dict[str, str]:
    stack = Stack(host)
    stack.install()
    for version in range(10):
        stack.image(str(version))
    return stack.images


@pytest.fixture
def stack(host: Host, images: dict[str, str]) -> Stack:
    """The stack, nothing of it there yet; volume and state of an earlier test are gone."""
    host.sh("docker ps -aq | xargs -r docker rm -f; docker volume prune -af; docker network prune -f")
    host.sh(f"rm -rf /var/lib/trunkline/stacks /var/lib/trunkline/dumps {HOME}/*; mkdir -p {HOME}")
    host.sh(f"echo 'server 127.0.0.1:8000;' > {UPSTREAM}; systemctl reset-failed; systemctl reload nginx")
    return Stack(host, images)


def done(answer: Any) -> list[tuple[str, str]]:
    return [(step["service"], step["action"]) for step in answer["changed"]]


def test_a_stack_comes_up_in_order_and_a_second_converge_changes_nothing(stack: Stack) -> None:
    first = stack.converge()
    assert done(first) == [
        ("store", "create"),
        ("web", "migrate"),
        ("web", "create-a"),
        ("worker", "create"),
        ("single", "create"),
    ]
    assert stack.answers() == "1"
    assert first["migration"]["revision"] == "1"
    seen = stack.look()
    assert seen["todo"] == seen["problems"] == seen["foreign"] == []
    assert {item["health"] for item in seen["services"]} == {"healthy"}
    begin = time.monotonic()
    assert done(stack.again()) == []
    assert time.monotonic() - begin < 10
    assert stack.look() == seen


def test_a_new_image_with_a_migration_is_switched_to_without_a_failed_request(stack: Stack) -> None:
    stack.services = HTTP
    stack.converge()
    stack.version = "2"
    load = stack.load()
    slow = stack.host.twin.keepers["web1"].argv_inside("curl", "-sS", "http://127.0.0.1/slow?s=14")
    stack.write()
    with os.popen(" ".join(f"'{word}'" for word in slow)) as late:
        assert done(stack.again()) == [("web", "migrate"), ("web", "switch-b")]
        assert stack.answers() == "2"
        assert late.read() == "1\n", "a request that the old version took on is answered by it"
    told = stack.loaded(load)
    assert told["failures"] == []
    assert set(told["answers"]) == {"200 1", "200 2"}
    assert stack.running() == ["web-b"]
    assert stack.host.sh("docker ps -aq | wc -l") == "1"
    assert stack.data("migrations") == ["begin 1", "end 1", "begin 2", "end 2"]
    dumps = stack.host.sh("cd /var/lib/trunkline/dumps/app; tail -n 1 *; stat -c %a *").splitlines()
    assert "dump of revision 1" in dumps
    assert dumps[-1] == "600"


def test_a_new_colour_that_fails_leaves_the_old_one_serving_and_nothing_behind(stack: Stack) -> None:
    stack.services = HTTP
    stack.converge()
    before = stack.service("web")
    for broken, why in (("SICK", "is unhealthy after"), ("CRASH", "exited with code 1")):
        stack.version, stack.environment = "2", {"web": {broken: "1"}}
        said = stack.converge(code=1)
        last = said.splitlines()[-1]
        assert last.startswith("stack app: web failed: app-web-b-1 ")
        assert why in last
        assert last.endswith("; the old version serves")
        assert "********" in said
        assert stack.answers() == "1"
        assert stack.host.sh("docker ps -aq --no-trunc") == before["container"]
    stack.version, stack.environment = "1", {}
    assert done(stack.converge()) == []


def test_a_migration_that_fails_switches_nothing_and_an_older_image_is_not_migrated_for(stack: Stack) -> None:
    stack.services = HTTP
    stack.converge()
    before = stack.service("web")["container"]
    stack.version, stack.environment = "2", {"web": {"MIGRATION_FAILS": "1"}}
    said = stack.converge(code=1)
    assert "app-web-a-run-" in said
    assert "migration failed with code 1" in said
    assert "column is missing, asked with ********" in said
    assert stack.host.sh("docker ps -aq --no-trunc") == before
    stack.environment = {}
    assert done(stack.converge()) == [("web", "migrate"), ("web", "switch-b")]
    stack.version = "1"
    assert done(stack.converge()) == [("web", "switch-a")], "its tool would not know the newer revision"


def test_a_worker_ends_its_job_and_a_single_never_runs_twice_also_when_the_new_one_fails(
    stack: Stack,
) -> None:
    stack.services = ("web", "worker", "single")
    stack.converge()
    old = {name: stack.service(name)["container"] for name in ("worker", "single")}
    stack.version, stack.environment = "2", {"single": {"SICK": "1"}}
    said = stack.converge(code=1)
    assert "single failed: app-single-2 is unhealthy" in said.splitlines()[-1]
    assert said.splitlines()[-1].endswith("the old container runs again")
    assert stack.service("single")["container"] == old["single"]
    assert stack.service("worker")["container"] != old["worker"]
    stack.environment = {}
    assert done(stack.converge()) == [("single", "replace")]
    jobs = stack.data("jobs")
    ended = [line.removeprefix("end ") for line in jobs if line.startswith("end")]
    begun = [line.removeprefix("begin ") for line in jobs if line.startswith("begin")]
    assert [job for job in begun if job.startswith("1-")] == [job for job in ended if job.startswith("1-")]
    assert stack.data("single") == ["runs 1", "runs 2", "runs 1", "runs 2"]
    assert stack.running() == ["single", "web-b", "worker"]


def test_a_converge_that_was_killed_anywhere_is_ended_by_the_next_one_without_a_failed_request(
    stack: Stack,
) -> None:
    stack.services = ("web", "worker", "single")
    stack.environment = {"web": {"MIGRATION_SECONDS": "2"}}
    stack.converge()
    dice = random.Random(seed := time.time_ns())
    print(f"seed {seed}")
    for version in range(2, 2 + int(os.environ.get("TRUNKLINE_KILLS", "4"))):
        stack.version = str(version)
        load = stack.load(rate=40)
        stack.write()
        process = stack.started()
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        moment = dice.uniform(0.3, 25)
        time.sleep(moment)
        stack.host.sh(f"kill -9 {pid} || true")
        said = process.communicate()[1].splitlines()[-1:]
        print(f"version {version} killed after {moment:.1f} s at {said}")
        assert stack.answers() in (str(version - 1), str(version))
        stack.again()
        assert stack.answers() == str(version)
        assert [stack.look()[part] for part in ("todo", "orphans", "foreign")] == [[], [], []]
        assert stack.host.sh("docker ps -aq | wc -l") == "3"
        assert stack.loaded(load)["failures"] == []
    assert not [line for line in stack.data("single") if line.startswith("TWICE")]
    assert stack.data("migrations")[-1] == f"end {stack.version}"
    ends = [line for line in stack.data("migrations") if line.startswith("end")]
    assert len(ends) == len(stack.data("migrations")) / 2, "no migration was cut short or ran beside another"


def test_after_a_reboot_and_a_docker_restart_the_colour_that_the_upstream_names_serves(stack: Stack) -> None:
    stack.services = ("web", "single")
    stack.converge()
    stack.version = "2"
    stack.converge()
    stack.host.sh("systemctl reset-failed; systemctl restart docker")
    stack.wait_until(lambda: stack.look()["todo"] == [] and stack.service("web")["health"] == "healthy")
    assert stack.answers() == "2"
    stack.version = "3"
    stack.write()
    process = stack.started()
    time.sleep(random.uniform(1, 12))
    stack.host.twin.reboot("web1")
    process.communicate()
    colour = stack.service("web")["colour"]
    stack.wait_until(lambda: f"web-{colour}" in stack.running())
    stack.wait_until(lambda: stack.service("web")["health"] == "healthy")
    assert stack.answers() in ("2", "3")
    stack.again()
    assert stack.answers() == "3"
    assert stack.look()["todo"] == []
    assert not [line for line in stack.data("single") if line.startswith("TWICE")]


def test_what_a_person_broke_is_told_and_mended_and_what_is_foreign_is_told_and_left(stack: Stack) -> None:
    stack.services = ("web", "worker", "single")
    stack.converge()
    label = "--label com.docker.compose.project=app --label com.docker.compose.service=stranger"
    stack.host.sh(
        f"docker stop -t 1 app-single-1; docker rm -f app-worker-1;"
        f"cd {HOME} && docker compose -p app up -d --no-deps web-b;"
        f"docker run -d --name stranger {label} {stack.image('5')} tick"
    )
    seen = stack.look()
    assert [(step["service"], step["action"], step["why"]) for step in seen["todo"]] == [
        ("web", "retire", "one colour serves"),
        ("worker", "create", "it has no container"),
        ("single", "start", "it is exited with code 143"),
    ]
    assert [one["container_name"] for one in seen["foreign"]] == ["stranger"]
    assert seen["problems"] == ["stranger is in the project app but not of its making"]
    stack.again()
    assert stack.running() == ["single", "stranger", "web-a", "worker"]
    assert stack.answers() == "1"


def test_a_container_of_another_image_under_our_labels_is_found_and_replaced(stack: Stack) -> None:
    stack.services = HTTP
    stack.converge()
    stack.host.sh(f"sed -i 's/{stack.image('1')}/{stack.image('7')}/' {HOME}/compose.yaml")
    stack.host.sh(f"cd {HOME} && docker compose -p app up -d --no-deps --force-recreate web-a")
    stack.wait_until(lambda: stack.answers() == "7")
    why = stack.service("web")["differs"]
    assert why == f"app-web-a-1 runs the image {stack.image('7')[7:19]}"
    assert done(stack.converge()) == [("web", "switch-b")]
    assert stack.answers() == "1"


def test_a_secret_file_that_was_replaced_reaches_the_service(stack: Stack) -> None:
    stack.services = HTTP
    stack.converge()
    stack.key = "the second key"
    stack.write()
    assert stack.service("web")["differs"] == "app-web-a-1 reads an older copy of /run/key"
    assert done(stack.again()) == [("web", "switch-b")]
    assert done(stack.again()) == []


def test_a_holder_that_was_taken_over_stops_and_changes_nothing(stack: Stack) -> None:
    stack.services = HTTP
    stack.converge()
    token = stack.host.agent("lock acquire --holder alice --purpose deploy --lease 1")["token"]
    stack.version = "2"
    time.sleep(1.1)
    other = stack.host.agent("lock acquire --holder bob --purpose deploy --lease 60")["token"]
    said = stack.converge(code=97, words=f"--token {token}")
    assert said.endswith("is not yours any more, bob holds it now for deploy")
    assert stack.answers() == "1"
    stack.host.agent(f"lock release --token {other}")


def test_what_is_no_longer_declared_goes_and_volumes_stay(stack: Stack) -> None:
    stack.converge()
    stack.services = ("web", "worker")
    assert done(stack.converge()) == [("single", "orphan"), ("store", "orphan")]
    assert stack.running() == ["web-a", "worker"]
    removed = stack.host.agent("stack remove app")["removed"]
    assert set(removed) >= {"app-web-a-1", "app-worker-1"}
    assert stack.host.sh("docker ps -aq; docker network ls -q --filter name=app") == ""
    assert stack.data("revision") == ["1"]


def test_a_set_whose_stack_fails_has_the_old_files_and_the_old_version_back(stack: Stack) -> None:
    stack.services = HTTP
    stack.converge()
    files = ("compose.yaml", "stack.json", "web.env")
    old = {name: stack.host.sh(f"cat {HOME}/{name}") for name in files}
    stack.version, stack.environment = "2", {"web": {"SICK": "1"}}
    stack.write()
    new = {f"{HOME}/{name}": stack.host.sh(f"cat {HOME}/{name}") for name in files}
    for name, text in old.items():
        stack.host.sh(f"cat > {HOME}/{name}", text)
    load = ["python3", "-I", AGENT, "stack", "converge", "app"]
    said = stack.host.apply("compose", new, code=1, load=load, load_seconds=200)
    assert "stack app: web failed: app-web-b-1 is unhealthy" in said
    assert PASSWORD not in said
    assert "{" not in said, "the lines and the sentence are told, not what programs read"
    assert {name: stack.host.sh(f"cat {HOME}/{name}") for name in files} == old
    assert stack.look()["todo"] == []
    assert stack.answers() == "1"
