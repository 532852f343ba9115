"""Sites and certificates that could not be served as declared are refused with one exact sentence."""

from __future__ import annotations

import pytest
from declared import ONLY_V6, Declare, Rows, environment, extra, host, made, refused, second
from declared_web import CERTBOT, crm, redis, site, web

from inventories.model import (
    AuthUser,
    BasicAuth,
    Certbot,
    Certificate,
    Docker,
    Files,
    Nginx,
    Opening,
    Proxy,
    Secret,
    checked,
)

AUTH = BasicAuth(users=(AuthUser(name="crm", password=Secret(name="crm_password")),))
PAGES = Files(directory="twin/images/shop/site")
BOTH = site("b.lab.example", "shop.lab.example", proxies=(Proxy(path="/", to=3000),))
MANY = tuple(f"n{index}.lab.example" for index in range(101))


def proxied(*proxies: Proxy, **more: object) -> Declare:
    """Return the declaration of a web host whose site has these proxies."""
    return lambda: web(site(proxies=proxies, **more))


def beside(certificate: Certificate) -> Certbot:
    """Return Certbot with a certificate besides those of the sites."""
    return Certbot(email="ops@lab.example", extra=(certificate,))


def only(*certificates: Certificate, **more: object) -> Declare:
    """Return the declaration of a host that has certificates and no site."""
    return lambda: environment(host(certbot=Certbot(email="ops@lab.example", extra=certificates), **more))


SITES: Rows = {
    "a password without a certificate": (
        lambda: web(site(auth=AUTH), certbot=None),
        "web1 nginx.sites[shop.lab.example].auth: a password would be sent over a connection that no"
        " certificate vouches for, wanted a certificate before a password; add certbot=Certbot(email=...) to"
        " this host, or take auth out",
    ),
    "a site without certbot": (
        lambda: web(certbot=None),
        "web1 nginx.sites[shop.lab.example]: nobody gets a certificate for shop.lab.example, wanted certbot"
        " on a host with sites; add certbot=Certbot(email=...) to this host",
    ),
    "a name on two sites": (
        lambda: web(site(), site("crm.lab.example", "shop.lab.example")),
        "web1 nginx.sites[crm.lab.example].names: shop.lab.example is also a name of the site"
        " shop.lab.example, wanted each name on one site; take it out of one of the two",
    ),
    "a name twice on one site": (
        lambda: web(site("shop.lab.example", "shop.lab.example")),
        "web1 nginx.sites[shop.lab.example].names: shop.lab.example stands here 2 times, wanted each name"
        " once; take the others out",
    ),
    "more names than a certificate holds": (
        lambda: web(site(*MANY)),
        "web1 nginx.sites[n0.lab.example].names: 101 names, wanted at most 100 in one certificate; split"
        " them, each part with the names that belong together",
    ),
    "a wildcard": (
        lambda: web(site("*.lab.example")),
        "web1 nginx.sites[*.lab.example].names[0]: '*.lab.example' is not a name that a web server can"
        " prove; write each name out: only DNS records prove a wildcard, and no host here writes those",
    ),
    "a site that serves nothing": (
        proxied(),
        "web1 nginx.sites[shop.lab.example]: neither files nor a proxy, wanted something to serve; add"
        " files=Files(...) or proxies=(Proxy(...),), or take the site out",
    ),
    "a path twice": (
        proxied(Proxy(path="/api/", to="shop/api"), Proxy(path="/api/", to=3000)),
        "web1 nginx.sites[shop.lab.example].proxies[/api/]: /api/ stands here twice, wanted each path once;"
        " take one of the two out",
    ),
    "a path that climbs": (
        proxied(Proxy(path="/api/../", to="shop/api")),
        "web1 nginx.sites[shop.lab.example].proxies[/api/../]: /api/../ is a path that no request has once"
        " it is read, wanted a path without //, . and ..; write it as the application sees it",
    ),
    "a path without its first slash": (
        lambda: web(site(proxies=(Proxy(path="api/", to="shop/api"),))),
        "web1 nginx.sites[shop.lab.example].proxies[api/].path: 'api/' is not a path of a site; begin it with"
        " / and use letters, digits, and . _ ~ - /",
    ),
    "the authority's path": (
        proxied(Proxy(path="/.well-known/acme-challenge", to="shop/api")),
        "web1 nginx.sites[shop.lab.example].proxies[/.well-known/acme-challenge]:"
        " /.well-known/acme-challenge is where the certificate authority asks, wanted a path of the"
        " application's own; take it out, the web server answers there itself",
    ),
    "files and a proxy for everything": (
        proxied(Proxy(path="/", to="shop/api"), files=PAGES),
        "web1 nginx.sites[shop.lab.example].proxies[/]: / is answered by the site's files already, wanted"
        " one answer to every path; give the proxy a path of its own, or take files out",
    ),
    "a proxy over the assets": (
        proxied(Proxy(path="/assets/old/", to="shop/api"), files=PAGES),
        "web1 nginx.sites[shop.lab.example].proxies[/assets/old/]: /assets/old/ hides the site's assets"
        " below /assets/, wanted a path beside the assets; move the proxy or the assets",
    ),
    "a whole site kept for a year": (
        proxied(files=Files(directory="twin/images/shop/site", assets="/")),
        "web1 nginx.sites[shop.lab.example].files.assets: '/' is not a path below the site that ends with"
        " /; write the directory of the files whose names carry a digest, such as /assets/",
    ),
    "pages that are not there": (
        proxied(files=Files(directory="twin/images/shop/pages")),
        "web1 nginx.sites[shop.lab.example].files.directory: there is no twin/images/shop/pages/index.html"
        " in this repository, wanted a file that is there; correct the name, or build it and add it first",
    ),
    "pages outside of the repository": (
        lambda: web(site(files=made(Files, directory="../site"))),
        "web1 nginx.sites[shop.lab.example].files.directory: '../site' is not a place in this repository;"
        " write it from the top, without a leading / and without ..",
    ),
    "an exception from no password": (
        proxied(Proxy(path="/webhook", to="shop/api", unprotected=True)),
        "web1 nginx.sites[shop.lab.example].proxies[/webhook].unprotected: an exception from a password that"
        " the site does not ask for, wanted auth on the site; add auth=BasicAuth(...) to the site, or take"
        " unprotected out",
    ),
    "one user twice": (
        lambda: web(site(auth=BasicAuth(users=(*AUTH.users, *AUTH.users)))),
        "web1 nginx.sites[shop.lab.example].auth.users[crm]: crm stands here 2 times, wanted each user once;"
        " take the others out",
    ),
    "a password in plain text": (
        lambda: web(
            site(auth=BasicAuth(users=(made(AuthUser, name="crm", password="hunter2"),))),
        ),
        "web1 nginx.sites[shop.lab.example].auth.users[crm].password: a value in plain text, wanted a"
        ' reference to a secret; write Secret(name="..."), and give the value to `invoke secrets.set NAME`;'
        " what stood here is no secret any more",
    ),
    "a proxy to no service": (
        proxied(Proxy(path="/", to="shop/apy")),
        "web1 nginx.sites[shop.lab.example].proxies[/].to: there is no service shop/apy on this host, wanted"
        " an http service of its stacks; did you mean shop/api?",
    ),
    "a proxy on a host without stacks": (
        lambda: web(compose=None),
        "web1 nginx.sites[shop.lab.example].proxies[/].to: there is no service shop/api on this host, wanted"
        " an http service of its stacks; it has none",
    ),
    "a proxy to a service that speaks no HTTP": (
        lambda: web(site(proxies=(Proxy(path="/", to="crm/redis"),)), stacks=(crm(redis()),)),
        "web1 nginx.sites[shop.lab.example].proxies[/].to: crm/redis has the role stateful, wanted a service"
        " with the role http; it has none",
    ),
    "a proxy to neither": (
        lambda: web(site(proxies=(Proxy(path="/", to="http://localhost:3000"),))),
        "web1 nginx.sites[shop.lab.example].proxies[/].to: 'http://localhost:3000' is not a service of a"
        " stack or a port of this host; write it as shop/api, or as a number such as 8000",
    ),
    "a proxy to one colour": (
        proxied(Proxy(path="/", to=8001)),
        "web1 nginx.sites[shop.lab.example].proxies[/].to: 8001 is one of the two ports that shop/api takes"
        ' in turn, wanted the service itself; write to="shop/api", which follows every switch',
    ),
    "a proxy to the web server": (
        proxied(Proxy(path="/", to=443)),
        "web1 nginx.sites[shop.lab.example].proxies[/].to: 443 is the web server's own port, wanted an"
        " application's port; name the port that the application listens on",
    ),
    "the world as load balancer": (
        lambda: web(nginx=Nginx(sites=(site(),), load_balancers=("0.0.0.0/0",))),
        "web1 nginx.load_balancers[0]: 0.0.0.0/0 would let strangers say which address they come from,"
        " wanted a prefix of /16 or longer; name the load balancer's own addresses",
    ),
    "a load balancer that cannot reach the host": (
        lambda: web(nginx=Nginx(sites=(site(),), load_balancers=ONLY_V6)),
        "web1 nginx.load_balancers: only IPv6 networks on a host without IPv6, wanted a load balancer that"
        " can reach it; add its IPv4 network, or address6 to this host",
    ),
    "the web opened once more": (
        lambda: web(firewall=extra(Opening.port(443, "tcp", "web"))),
        "web1 firewall.extra[0]: tcp 443 (web) opens what nginx opens already, wanted each port opened by"
        " one; take it out, nginx says who may reach it",
    ),
    "a policy over two lines": (
        lambda: web(site(content_security_policy="default-src 'self';\nimg-src *")),
        "web1 nginx.sites[shop.lab.example].content_security_policy: \"default-src 'self';\\nimg-src *\" is"
        ' not one line; leave out line breaks, ", \\ and $',
    ),
}
CERTIFICATES: Rows = {
    "a certificate that no site serves": (
        lambda: web(certbot=beside(Certificate(names=("sip.lab.example",), why="SIP"))),
        "web1 certbot.extra[sip.lab.example].names: no site serves sip.lab.example, wanted a name that the"
        " web server answers for on port 80; add it to the names of a site, or take it out",
    ),
    "a certificate that a site has": (
        lambda: web(certbot=beside(Certificate(names=("shop.lab.example",), why="x"))),
        "web1 certbot.extra[shop.lab.example]: the site shop.lab.example has a certificate of this name,"
        " wanted each certificate once; take it out: the site's is at the same path",
    ),
    "no certificate at all": (
        only(),
        "edge1 certbot.extra: no certificate to ask for, wanted a site or an extra certificate; add"
        " nginx=Nginx(...) or extra=(Certificate(...),), or take certbot out",
    ),
    "a profile on Debian 12": (
        lambda: web(
            os="debian12",
            docker=Docker(source="docker"),
            certbot=Certbot(email="ops@lab.example", profile="tlsserver"),
        ),
        "web1 certbot.profile: Certbot 2.1 of debian12 cannot ask for tlsserver, wanted no profile before"
        " Certbot 4.0; take it out, or move the host to Debian 13",
    ),
    "an address that is none": (
        lambda: web(certbot=Certbot(email="ops")),
        "web1 certbot.email: 'ops' is not a mail address; the authority writes there before a certificate"
        " ends",
    ),
    "a directory without TLS": (
        lambda: web(certbot=Certbot(email="ops@lab.example", directory="http://acme.lab.example/directory")),
        "web1 certbot.directory: 'http://acme.lab.example/directory' is not the https address of an ACME"
        " directory; Let's Encrypt's is https://acme-v02.api.letsencrypt.org/directory",
    ),
    "an authority's certificate that is not there": (
        lambda: web(certbot=Certbot(email="ops@lab.example", ca_bundle="inventories/ca.pem")),
        "web1 certbot.ca_bundle: there is no inventories/ca.pem in this repository, wanted a file that is"
        " there; correct the name, or build it and add it first",
    ),
    "one name on two hosts": (
        lambda: environment(
            *web().hosts,
            second(certbot=CERTBOT, nginx=Nginx(sites=(BOTH,))),
        ),
        "edge2 nginx.sites[b.lab.example].names: shop.lab.example belongs to web1 already, wanted each name"
        " on one host, as the authority asks one of them only; take it out of one of the two",
    ),
    "the name of another host": (
        lambda: environment(second(), *only(Certificate(names=("edge2.lab.example",), why="x"))().hosts),
        "edge1 certbot.extra[edge2.lab.example].names: edge2.lab.example is the host edge2 in DNS, wanted a"
        " name that leads here; choose another name, or serve it on edge2",
    ),
}


@pytest.mark.parametrize(
    ("declare", "sentence"), [*SITES.values(), *CERTIFICATES.values()], ids=[*SITES, *CERTIFICATES]
)
def test_a_site_that_could_not_be_served_is_refused_with_its_sentence(
    declare: Declare, sentence: str
) -> None:
    assert refused(declare) == [sentence]


@pytest.mark.parametrize(
    "declare",
    [
        web,
        proxied(Proxy(path="/", to=3000)),
        proxied(Proxy(path="/", to="shop/api", exact=True), Proxy(path="/asset", to="shop/api"), files=PAGES),
        proxied(Proxy(path="/api", to="shop/api"), Proxy(path="/api", to="shop/api", exact=True)),
        lambda: web(site(auth=AUTH)),
        lambda: web(certbot=Certbot(email="ops@lab.example", profile="shortlived")),
        only(Certificate(names=("edge1.lab.example",), why="SIP")),
        lambda: web(nginx=Nginx(sites=(site(),), load_balancers=("192.0.2.64/28",))),
    ],
    ids=[
        "a site before an application",
        "a port that nothing of ours holds",
        "pages beside an application",
        "a path and all below it",
        "a password behind a certificate",
        "a profile on Debian 13",
        "a certificate without a site",
        "a load balancer of one's own",
    ],
)
def test_a_site_that_can_be_served_is_accepted(declare: Declare) -> None:
    assert checked(declare)
