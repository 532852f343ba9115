"""Production: an example to copy. Replace the addresses, the names and the keys by your own.

`invoke lint --env prod` names every place that still holds an example. A jump host stands in ~/.ssh/config
for `Host web1`, `Host web1.example.com` or `Host 198.51.100.21` (docs/ssh.md), never here: the way is yours.
"""

from inventories.model import (
    AddressTrunk,
    Ari,
    Asterisk,
    AuthUser,
    BasicAuth,
    Build,
    Certbot,
    Compose,
    Container,
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
    Tenant,
    Time,
    Updates,
    User,
    Users,
)

ALICE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9gH+6XagwkugRg3iE3Zi1ga4LrhyIwHAljkP1mg7v+ alice@example.com"
BOB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJpaBUHRYAs83zc0hNe14hrrbhqLMFPQl2Xos6Lcn2e bob@example.com"
OFFICE = "203.0.113.0/28"
OFFICE6 = "2001:db8:203::/48"
MONITOR = "203.0.113.40/32"

# When SSH is lost, the provider's console is the way in, and it asks for a password. SSH itself takes none.
# `invoke secrets.generate console_password --env prod --length 20` makes one that can still be typed.
deploy = User(name="deploy", keys=(ALICE, BOB), sudo=True, console_password=Secret(name="console_password"))
alice = User(name="alice", keys=(ALICE,), sudo=True)
bob = User(name="bob", keys=(BOB,))

users = Users(accounts=(deploy, alice))
office_only = Ssh(sources=(OFFICE, OFFICE6))
office_never = Fail2ban(never=(OFFICE, OFFICE6))
time = Time(servers=("0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org"), zone="Europe/Berlin")
metrics = Firewall(extra=(Opening.port(9100, "tcp", "metrics, for the monitoring host", (MONITOR,)),))

# The application: what runs, and where it finds its data.
settings = {
    "DATABASE_HOST": "db.example.com",
    "DATABASE_PORT": "25060",
    "DATABASE_USER": "shop",
    "DATABASE_NAME": "shop",
    "DATABASE_PASSWORD": Secret(name="db_password"),
    "DATABASE_CA": "/run/secrets/db_ca.pem",
    "BROKER_URL": "redis://redis:6379/0",
    "CACHE_HOST": "cache.example.com",
    "CACHE_PORT": "25061",
    "CACHE_PASSWORD": Secret(name="cache_password"),
    "CACHE_CA": "/run/secrets/cache_ca.pem",
    "SECRET_KEY": Secret(name="shop_secret_key"),
    "WEBHOOK_SECRET": Secret(name="shop_webhook_secret"),
}
certificates = {
    "/run/secrets/db_ca.pem": Secret(name="db_ca"),
    "/run/secrets/cache_ca.pem": Secret(name="cache_ca"),
}
image = Build(context="twin/images/shop")
redis = Container(
    name="redis",
    role="stateful",
    image="redis:7-alpine",
    command=("redis-server", "--appendonly", "yes"),
    volumes={"redis": "/data"},
    memory_mb=256,
    health=Health(command=("redis-cli", "ping")),
)
api = Container(
    name="api",
    role="http",
    image=image,
    command=("uvicorn", "shop.api:app", "--host", "0.0.0.0", "--port", "8000"),
    environment=settings,
    files=certificates,
    port=8000,
    loopback=(8000, 8001),
    memory_mb=512,
    health=Health(command=("python", "-m", "shop.health", "api"), interval=5),
    needs=("redis",),
)
worker = Container(
    name="worker",
    role="worker",
    image=image,
    command=("celery", "-A", "shop.tasks", "worker", "--loglevel=info"),
    environment=settings,
    files=certificates,
    stop_seconds=120,
    memory_mb=1024,
    health=Health(command=("celery", "-A", "shop.tasks", "inspect", "ping"), interval=30, timeout=20),
    needs=("redis",),
)
# Two of these would run every job twice.
beat = Container(
    name="beat",
    role="single",
    image=image,
    command=("celery", "-A", "shop.tasks", "beat", "--schedule=/tmp/beat", "--loglevel=info"),
    environment=settings,
    files=certificates,
    memory_mb=256,
    health=Health(command=("python", "-m", "shop.health", "beat")),
    needs=("redis",),
)
shop = Stack(
    name="shop",
    services=(redis, api, worker, beat),
    databases=("db", "cache"),
    migration=Migration(
        service="api",
        command=("alembic", "upgrade", "head"),
        current=("alembic", "current"),
        dump=("python", "-m", "shop.dump"),
    ),
)
storefront = Site(
    names=("www.example.com", "shop.example.com"),
    files=Files(directory="twin/images/shop/site"),
    proxies=(
        Proxy(path="/api/", to="shop/api", rate=Rate(per_second=50, burst=100)),
        Proxy(path="/ws", to="shop/api", exact=True, websocket=True, timeout=3600),
    ),
)
# A password for all of it, but for the one path that the telephone provider calls with a signature.
crm = Site(
    names=("crm.example.com",),
    proxies=(
        Proxy(path="/", to="shop/api"),
        Proxy(path="/webhook/phone", to="shop/api", exact=True, unprotected=True, rate=Rate(per_second=10)),
    ),
    auth=BasicAuth(realm="CRM", users=(AuthUser(name="sales", password=Secret(name="crm_password")),)),
)

telephony = Asterisk(  # one carrier knows us by our address, at the other we register
    transports=("udp", "tls"),
    tls_name="pbx1.example.com",
    trunks=(
        AddressTrunk(
            name="did", server="a.carrier.example", addresses=("203.0.113.76/32", "203.0.113.77/32")
        ),
        RegisteringTrunk(
            name="uscarrier",
            primary="sip1.uscarrier.example",
            backup="sip2.uscarrier.example",
            user="trunkline",
            password=Secret(name="uscarrier"),
            addresses=("203.0.113.128/28",),
        ),
    ),
    tenants=(
        Tenant(
            name="sales",
            trunk="did",
            dids=("442079460123", "442079460124"),
            application="assistant",
            recording=Recording(days=30, quota_mb=10240, minutes_a_day=300),
            routes=(
                Route(prefix="+44", trunk="did", caller_id="+442079460123", strip=1),
                Route(prefix="+1212", trunk="uscarrier", caller_id="+12125550123"),
            ),
        ),
    ),
    emergency=Emergency(refused=True),  # nobody takes them: whoever may dial is told so
    ari=Ari(password=Secret(name="ari_password")),
    verification=Secret(name="sip_verification"),
)

# The office: a UniFi gateway behind a router, a PBX behind it. `invoke peer` prints the console's sheet.
office = Peer(
    name="office",
    address="203.0.113.5",
    id="192.168.1.2",
    local=("10.10.10.0/24",),
    remote=("192.168.150.0/24",),
    answers="192.168.150.10",
    sip=True,
    psk=Secret(name="office_psk"),
)

environment = Environment(
    name="prod",
    domain="example.com",
    controllers=("203.0.113.10/32", "2001:db8:203::10/128"),
    hosts=(
        # The one way in from everywhere: a port of its own, and bans for those who guess.
        Host(
            name="jump1",
            os="debian13",
            address="198.51.100.10/24",
            address6="2001:db8:100::10/64",
            group="jump",
            users=Users(accounts=(deploy, alice, bob)),
            ssh=Ssh(port=2222, max_auth_tries=2, login_grace=20, allow_tcp_forwarding=True),
            fail2ban=office_never,
            time=time,
            updates=Updates(reboot_at="02:00"),
        ),
        # The way to the office, for the droplets of the private network that its second interface is in.
        Host(
            name="vpn1",
            os="ubuntu22.04",
            address="198.51.100.15/24",
            group="vpn",
            users=users,
            ssh=Ssh(sources=(OFFICE,)),
            fail2ban=Fail2ban(never=(OFFICE,)),
            time=time,
            strongswan=Strongswan(address="10.10.10.1/24", interface="eth1", peers=(office,)),
        ),
        # Calls must not drop: this one reboots by hand only.
        Host(
            name="pbx1",
            os="ubuntu24.04",
            address="198.51.100.31/24",
            group="pbx",
            memory_mb=2048,
            disk_mb=51200,
            users=users,
            ssh=Ssh(sources=(OFFICE,)),
            firewall=metrics,
            fail2ban=Fail2ban(never=(OFFICE,), max_ban_time=30 * 24 * 3600),
            time=time,
            asterisk=telephony,
            certbot=Certbot(email="ops@example.com"),
        ),
        # Of several hosts in one group the first is the canary: the others follow when all is well there.
        Host(
            name="web1",
            os="ubuntu24.04",
            address="198.51.100.21/24",
            address6="2001:db8:100::21/64",
            group="web",
            memory_mb=4096,
            disk_mb=81920,
            users=users,
            ssh=office_only,
            firewall=metrics,
            fail2ban=office_never,
            time=time,
            updates=Updates(reboot_at="03:00"),
            journal=Journal(max_use_mb=2000, max_retention_days=90),
            swap=Swap(size_mb=2048),
            docker=Docker(),
            nginx=Nginx(sites=(storefront, crm)),
            compose=Compose(stacks=(shop,)),
            certbot=Certbot(email="ops@example.com"),
        ),
    ),
    # Of the provider's: `invoke secrets.set db_ca --env prod` takes the CA certificate that it gives out.
    databases=(
        Database(
            name="db",
            kind="postgresql",
            host="db.example.com",
            user="shop",
            database="shop",
            password=Secret(name="db_password"),
            ca=Secret(name="db_ca"),
        ),
        Database(
            name="cache",
            kind="redis",
            host="cache.example.com",
            port=25061,
            password=Secret(name="cache_password"),
            ca=Secret(name="cache_ca"),
        ),
    ),
)

hosts = environment.inventory()
