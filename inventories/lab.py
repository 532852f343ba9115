"""The laboratory: six droplets, two offices and two carriers that exist as a twin on this machine."""

from inventories.model import (
    AddressTrunk,
    Ami,
    AmiUser,
    Ari,
    Asterisk,
    AuthUser,
    BasicAuth,
    Build,
    Certbot,
    Certificates,
    Compose,
    Container,
    ControllerKey,
    Database,
    Docker,
    Emergency,
    Environment,
    Fail2ban,
    Files,
    Firewall,
    Health,
    Host,
    Journal,
    Limits,
    Migration,
    Nginx,
    Opening,
    Peer,
    Proxy,
    Rate,
    Recording,
    RegisteringTrunk,
    Route,
    Secret,
    Site,
    Ssh,
    Stack,
    Strongswan,
    Swap,
    Sysctl,
    Tenant,
    Time,
    Updates,
    User,
    Users,
)

ALICE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9gH+6XagwkugRg3iE3Zi1ga4LrhyIwHAljkP1mg7v+ alice@lab.example"

# The value is generated for each twin, outside the clone.
deploy = User(
    name="deploy", keys=(ControllerKey(),), sudo=True, console_password=Secret(name="console_password")
)
alice = User(name="alice", keys=(ALICE,))
time = Time(servers=("ntp1.lab.example", "ntp2.lab.example"))

API = {
    "DATABASE_HOST": "db.lab.example",
    "DATABASE_PORT": "25060",
    "DATABASE_USER": "shop",
    "DATABASE_NAME": "shop",
    "DATABASE_PASSWORD": Secret(name="db_password"),
    "DATABASE_CA": "/run/secrets/db_ca.pem",
    "BROKER_URL": "redis://redis:6379/0",
    "CACHE_HOST": "cache.lab.example",
    "CACHE_PORT": "25061",
    "CACHE_PASSWORD": Secret(name="cache_password"),
    "CACHE_CA": "/run/secrets/cache_ca.pem",
    "SECRET_KEY": Secret(name="shop_secret_key"),
    "WEBHOOK_SECRET": Secret(name="shop_webhook_secret"),
}
FILES = {"/run/secrets/db_ca.pem": Secret(name="db_ca"), "/run/secrets/cache_ca.pem": Secret(name="cache_ca")}
WORKER = "worker@shop"
shop = Build(context="twin/images/shop")

stack = Stack(
    name="shop",
    databases=("db", "cache"),
    migration=Migration(
        service="api",
        command=("alembic", "upgrade", "head"),
        current=("alembic", "current"),
        dump=("python", "-m", "shop.dump"),
    ),
    services=(
        Container(
            name="redis",
            role="stateful",
            image="redis:7-alpine",
            command=("redis-server", "--appendonly", "yes"),
            volumes={"redis": "/data"},
            health=Health(command=("redis-cli", "ping")),
        ),
        Container(
            name="api",
            role="http",
            image=shop,
            command=("uvicorn", "shop.api:app", "--host", "0.0.0.0", "--port", "8000"),
            environment=API,
            files=FILES,
            port=8000,
            loopback=(8000, 8001),
            health=Health(command=("python", "-m", "shop.health", "api"), interval=5),
            needs=("redis",),
        ),
        Container(
            name="worker",
            role="worker",
            image=shop,
            command=("celery", "-A", "shop.tasks", "worker", "-n", WORKER, "-l", "info", "-c", "1"),
            environment=API,
            files=FILES,
            health=Health(command=("python", "-m", "shop.health", "worker", WORKER), interval=30, timeout=20),
            stop_seconds=60,
            needs=("redis",),
        ),
        Container(
            name="beat",
            role="single",
            image=shop,
            command=("celery", "-A", "shop.tasks", "beat", "--schedule=/tmp/beat", "--loglevel=info"),
            environment=API,
            files=FILES,
            health=Health(command=("python", "-m", "shop.health", "beat")),
            needs=("redis",),
        ),
    ),
)

storefront = Site(
    names=("shop.lab.example", "www.shop.lab.example"),
    files=Files(directory="twin/images/shop/site"),
    proxies=(
        Proxy(path="/api/", to="shop/api"),
        Proxy(path="/ws", to="shop/api", exact=True, websocket=True),
    ),
)
# Of this one only the webhook can be seen without a password.
crm = Site(
    names=("crm.lab.example",),
    proxies=(
        Proxy(path="/", to="shop/api"),
        Proxy(path="/webhook/phone", to="shop/api", exact=True, unprotected=True, rate=Rate(per_second=10)),
    ),
    auth=BasicAuth(realm="CRM", users=(AuthUser(name="crm", password=Secret(name="crm_password")),)),
)

# The head office: its gateway stands behind a NAT, and a PBX stands behind the gateway.
headquarters = Peer(
    name="hq",
    address="192.0.2.150",
    id="192.168.1.2",
    local=("10.10.10.0/24",),
    remote=("192.168.150.0/24",),
    answers="192.168.150.10",
    sip=True,
    psk=Secret(name="hq_psk"),
)

# A dialer asks that PBX, through its host's tunnel. Its health is that it asks, not that it is answered.
dialer = Container(
    name="dialer", role="single", image=Build(context="twin/images/dialer"), host_network=True,
    environment={"PBX": str(headquarters.answers), "SOURCE": "10.10.10.1"}, stop_seconds=5,
    health=Health(command=("python", "dialer.py", "health")),
)  # fmt: skip
# The branch proves itself by certificates.
branch = Peer(
    name="branch",
    address="192.0.2.160",
    id="gateway.branch.lab.example",
    local_id="vpn2.lab.example",
    local=("10.10.20.1/32",),
    remote=("192.168.160.0/24", "192.168.161.0/24"),
    answers="192.168.160.10",
    sip=True,
    certificates=Certificates(
        ca=Secret(name="branch_ca"), certificate=Secret(name="branch_certificate"),
        key=Secret(name="branch_key"),
    ),
)  # fmt: skip

# This carrier is known by three addresses; at the other we register, and it names none: SIP is open to all.
didco = AddressTrunk(
    name="didco", server="sip.didco.lab.example", limits=Limits(calls=4, per_minute=60),
    addresses=("203.0.113.76/32", "203.0.113.77/32", "203.0.113.78/32"),
)  # fmt: skip
usco = RegisteringTrunk(
    name="usco", primary="sip1.usco.lab.example", backup="sip2.usco.lab.example",
    user="trunkline", password=Secret(name="usco_password"),
)  # fmt: skip
sales = Tenant(
    name="sales", trunk="didco", dids=("442079460123", "442079460124"), application="assistant",
    recording=Recording(days=7, minutes_a_day=60, quota_mb=500), limits=Limits(calls=3, per_minute=60),
    routes=(Route(prefix="+44", trunk="didco", caller_id="+442079460123"),
            Route(prefix="+1", trunk="usco", caller_id="+12025550123", strip=1)),
)  # fmt: skip
telephony = Asterisk(
    trunks=(didco, usco),
    tenants=(sales, Tenant(name="us", trunk="usco", dids=("12025550123",), application="assistant")),
    calls=20, transports=("udp", "tcp", "tls"), tls_name="sip.lab.example", drain=20,
    emergency=Emergency(refused=True), ari=Ari(password=Secret(name="ari_password")),
    ami=Ami(users=(AmiUser(name="watch", password=Secret(name="ami_password")),)),
    verification=Secret(name="verify_password"),
)  # fmt: skip

db = Database(
    name="db", kind="postgresql", host="db.lab.example", user="shop", database="shop",
    password=Secret(name="db_password"), ca=Secret(name="db_ca"),
)  # fmt: skip
cache = Database(
    name="cache", kind="redis", host="cache.lab.example", port=25061,
    password=Secret(name="cache_password"), ca=Secret(name="cache_ca"),
)  # fmt: skip

environment = Environment(
    name="lab",
    domain="lab.example",
    in_twin=True,
    controllers=("192.0.2.10/32", "2001:db8::10/128"),
    hosts=(
        # Everyone may knock at this one's SSH: what fail2ban is for.
        Host(
            name="edge1",
            os="debian12",
            address="198.51.100.11/24",
            users=Users(accounts=(deploy, alice)),
            firewall=Firewall(extra=(Opening.port(9100, "tcp", "metrics of this host", ("192.0.2.10/32",)),)),
            updates=Updates(reboot_at="03:30"),
            sysctl=Sysctl(settings={"net.ipv4.tcp_keepalive_time": "600"}),
            time=time,
            journal=Journal(max_use_mb=200),
        ),
        # SSH for the office only, over both families.
        Host(
            name="edge2",
            os="debian13",
            address="198.51.100.12/24",
            address6="2001:db8:100::12/64",
            users=Users(accounts=(deploy,)),
            ssh=Ssh(sources=("203.0.113.0/28", "2001:db8:203::/64")),
            fail2ban=Fail2ban(never=("203.0.113.0/28", "2001:db8:203::/64")),
            updates=Updates(reboot_at="04:30", blocked=("docker-ce",)),
            time=time,
            swap=Swap(size_mb=128),
        ),
        # The way to the head office, for itself, its containers and the hosts of its private network.
        Host(
            name="vpn1",
            os="debian13",
            address="198.51.100.31/24",
            group="vpn",
            users=Users(accounts=(deploy,)),
            time=time,
            strongswan=Strongswan(address="10.10.10.1/24", interface="eth1", peers=(headquarters,)),
            docker=Docker(),
            compose=Compose(stacks=(Stack(name="dialer", services=(dialer,)),)),
        ),
        # The way to the branch, for itself alone.
        Host(
            name="vpn2",
            os="debian12",
            address="198.51.100.32/24",
            group="vpn",
            users=Users(accounts=(deploy,)),
            time=time,
            strongswan=Strongswan(address="10.10.20.1/32", peers=(branch,)),
        ),
        # Calls come and go by two carriers; Debian 12 and 13 have no Asterisk.
        Host(
            name="pbx1",
            os="debian-testing",
            address="198.51.100.41/24",
            group="telephony",
            users=Users(accounts=(deploy,)),
            time=time,
            asterisk=telephony,
            certbot=Certbot(email="ops@lab.example"),
        ),
        # A web application behind Nginx, its database managed elsewhere.
        Host(
            name="web1",
            os="debian13",
            address="198.51.100.21/24",
            group="web",
            memory_mb=4096,
            users=Users(accounts=(deploy,)),
            time=time,
            docker=Docker(),
            nginx=Nginx(sites=(storefront, crm)),
            compose=Compose(stacks=(stack,)),
            certbot=Certbot(email="ops@lab.example"),
        ),
    ),
    databases=(db, cache),
)

hosts = environment.inventory()
