"""Faults of containers, stacks and databases: each is found, by its own check, as the root cause."""

from __future__ import annotations

from dataclasses import replace

from prove.fault import Fault

DAEMON = "/etc/docker/daemon.json"
STACK = "/etc/trunkline/stacks/shop"
COMPOSE = f"docker compose -f {STACK}/compose.yaml"
IMAGE = "$(docker inspect -f '{{.Image}}' shop-redis-1)"
RUN = "docker run -q -d --name by-hand"
SLEEP = f"--entrypoint sleep {IMAGE} 9999"
API = "$(docker ps -q -f label=com.docker.compose.project=shop -f name=shop-api- | head -n 1)"
FOREIGN = ("docker.containers_are_known",)


def _stopped(container: str) -> str:
    """Freeze every process of a container: it runs, and does nothing."""
    return f"kill -STOP $(docker top {container} -eo pid | tail -n +2)"


def _until(container: str, health: str) -> str:
    """Wait until the engine itself has noticed."""
    status = f"docker inspect -f '{{{{.State.Health.Status}}}}' {container}"
    return f'for n in $(seq 110); do [ "$({status})" = {health} ] && exit 0; sleep 1; done; exit 1'


HEALTHY = "docker ps -q -f health=healthy | wc -l"
ALL_HEALTHY = f"for n in $(seq 50); do [ $({HEALTHY}) = 4 ] && exit 0; sleep 1; done; exit 1"
"""After a restart of the engine it has forgotten who was."""


DOCKER = (
    Fault(
        "docker-stopped",
        "docker.engine_answers",
        "a stopped engine is named as such, although its containers run on",
        "systemctl stop docker.socket docker.service",
    ),
    Fault(
        "live-restore-off",
        "docker.containers_outlive_a_restart_of_the_engine",
        "an engine that would take all containers with it is found before it is restarted",
        f"""sed -i 's/"live-restore": true/"live-restore": false/' {DAEMON};"""
        " systemctl reload docker; for n in $(seq 40); do"
        " docker info -f '{{.LiveRestoreEnabled}}' | grep -q false && exit 0; sleep 0.5; done; exit 1",
    ),
    Fault(
        "userland-proxy-on",
        "docker.no_userland_proxy_copies_packets",
        "a process that copies each packet of a published port is found",
        f"""sed -i 's/"userland-proxy": false/"userland-proxy": true/' {DAEMON}; systemctl restart docker;"""
        f" docker restart {API}; {ALL_HEALTHY}",
    ),
    Fault(
        "log-limits-by-hand",
        "docker.logs_are_limited",
        "a container whose log may fill the disk is found",
        f"""sed -i 's/"max-size": "10m"/"max-size": "9g"/' {DAEMON}; systemctl restart docker;"""
        f" {COMPOSE} up -d --quiet-pull --no-deps --force-recreate --wait beat; {ALL_HEALTHY}",
    ),
    Fault(
        "container-without-health-check",
        "docker.every_container_has_a_health_check",
        "a container that nobody asks whether it works is found",
        f"{RUN} {SLEEP}",
        also=FOREIGN,
    ),
    Fault(
        "container-by-hand",
        "docker.containers_are_known",
        "a container that belongs to no declared stack is found",
        f"{RUN} --health-cmd true {SLEEP}",
        verdict="warn",
    ),
    Fault(
        "port-published-by-hand",
        "docker.published_ports_are_exactly_the_declared",
        "a port that was published by hand is found",
        f"{RUN} --health-cmd true -p 8088:6379 {IMAGE}",
        also=FOREIGN,
    ),
    Fault(
        "firewall-hook-lost",
        "docker.firewall_is_asked_before_a_packet_reaches_a_container",
        "a jump to the firewall's rules that is gone after a restart of the engine is found",
        f"systemctl restart docker; iptables -D FORWARD -j DOCKER-USER; {ALL_HEALTHY}",
    ),
    Fault(
        "firewall-rules-lost",
        "docker.kernel_passes_on_exactly_what_is_published",
        "firewall rules that Docker's chain lost, and a restart of the engine does not bring back, are found",
        f"iptables -F DOCKER-USER; systemctl restart docker; {ALL_HEALTHY}",
    ),
    Fault(
        "container-opened-by-hand",
        "docker.kernel_passes_on_exactly_what_is_published",
        "a container's port that was opened past the declared openings is found in the kernel",
        "iptables -I DOCKER-USER 1 -p tcp -m conntrack --ctorigdstport 8088 -j ACCEPT",
    ),
)
COMPOSED = (
    Fault(
        "worker-stopped",
        "compose.every_service_runs",
        "a stopped worker behind a healthy API is found",
        "docker stop shop-worker-1",
    ),
    Fault(
        "worker-paused",
        "compose.every_service_runs",
        "a paused worker, which Docker still calls healthy, is found",
        "docker pause shop-worker-1",
    ),
    Fault(
        "container-left-over",
        "compose.a_stack_has_no_other_container",
        "a container of a stack that its declaration no longer names is found",
        "docker run -q -d --name shop-old-1 --label com.docker.compose.project=shop"
        f" --label com.docker.compose.service=old --health-cmd true {SLEEP}",
    ),
    Fault(
        "second-beat",
        "compose.one_container_runs_each_service",
        "a second scheduler, which does everything twice, is found",
        f"{COMPOSE} up -d --no-deps --no-recreate --scale beat=2 --wait beat",
    ),
    Fault(
        "both-colours-run",
        "compose.one_colour_serves",
        "a colour that was started by hand beside the one that serves is found",
        f"{COMPOSE} up -d --no-deps --no-recreate --wait api-a api-b",
    ),
    Fault(
        "upstream-by-hand",
        "compose.nginx_is_sent_to_the_colour_that_runs",
        "an upstream that the next reload of nginx would follow into the void is found before that",
        "sed -i 's/127.0.0.1:800./127.0.0.1:8009/' /etc/nginx/upstreams/shop-api.conf",
        also=("nginx.workers_run_the_present_configuration",),
    ),
    Fault(
        "container-unhealthy",
        "compose.every_service_is_healthy",
        "a container whose health check fails is found",
        "docker exec -u 0 shop-beat-1 python -c"
        " 'import os, shop.health; os.unlink(shop.health.__file__)';"
        f" {_until('shop-beat-1', 'unhealthy')}",
        seconds=120,
    ),
    Fault(
        "beat-silent",
        "compose.every_service_is_healthy",
        "a beat that runs and no longer ticks is found by the age of its last tick",
        f"{_stopped('shop-beat-1')}; {_until('shop-beat-1', 'unhealthy')}",
        seconds=120,
    ),
    Fault(
        "worker-hangs",
        "compose.every_service_does_its_work_now",
        "a worker that has just begun to hang is found before Docker calls it unhealthy",
        _stopped("shop-worker-1"),
    ),
    Fault(
        "wrong-digest-running",
        "compose.images_are_the_released_ones",
        "a container that runs another image than the released one is found",
        "new=$(docker commit shop-worker-1); old=$(docker inspect -f '{{.Image}}' shop-worker-1);"
        f' sed "s|$old|$new|" {STACK}/compose.yaml > /tmp/by-hand.yaml;'
        f" docker compose -p shop --project-directory {STACK} -f /tmp/by-hand.yaml"
        " up -d --no-deps --wait worker",
        seconds=150,
    ),
    Fault(
        "environment-by-hand",
        "compose.containers_run_what_was_deployed",
        "an environment file that a container has not taken on is found",
        f"echo \"EXTRA='1'\" >> {STACK}/worker.env",
    ),
    Fault(
        "environment-readable",
        "compose.secrets_are_readable_by_root_alone",
        "an environment file that others could read is found",
        f"chmod 644 {STACK}/worker.env",
    ),
    Fault(
        "restart-policy-by-hand",
        "compose.every_service_returns_after_a_reboot",
        "a container that would not return after a reboot is found before it",
        "docker update --restart no shop-worker-1",
    ),
    Fault(
        "migration-missing",
        "compose.migrations_are_where_the_release_left_them",
        "a database that is a migration behind the running image is found",
        f"docker exec {API} alembic downgrade -1",
        mends=f"docker exec {API} alembic upgrade head",
    ),
)
DATABASES = (
    Fault(
        "database-elsewhere",
        "databases.let_us_in_over_verified_tls",
        "a database's name that leads somewhere else is found",
        "echo '127.0.0.1 db.lab.example' >> /etc/hosts",
    ),
    Fault(
        "database-authority-other",
        "databases.let_us_in_over_verified_tls",
        "a CA certificate that does not vouch for the database is found before a container needs it",
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout /dev/null -out /tmp/other.pem &&"
        f" chmod 444 /tmp/other.pem && cp /tmp/other.pem {STACK}/files/api/.0 &&"
        f" mv {STACK}/files/api/.0 {STACK}/files/api/0",
    ),
    Fault(
        "database-without-tls",
        "databases.are_reached_by_tls_alone",
        "a database that also admits plain connections is found",
        "true",
        plain_database="db",
    ),
    Fault(
        "session-in-plain",
        "databases.are_reached_by_tls_alone",
        "a session of the application that is not encrypted is found",
        "docker exec -d shop-worker-1 python -c 'import os, psycopg, time\n"
        'e = os.environ; c = psycopg.connect(host=e["DATABASE_HOST"], port=e["DATABASE_PORT"],'
        ' user=e["DATABASE_USER"], dbname=e["DATABASE_NAME"], password=e["DATABASE_PASSWORD"],'
        ' sslmode="disable"); time.sleep(300)\'; sleep 3',
        plain_database="db",
    ),
)
FAULTS = tuple(replace(fault, host="web1") for fault in (*DOCKER, *COMPOSED, *DATABASES))
