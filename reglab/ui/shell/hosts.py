"""Which name the lab is asked by, and from whose page.

*Host.* A page of somebody else can have its own name point to this machine, and is then, for the browser, a page of this
lab: on a laptop it could do all that the host may. So a laptop answers only to names that no stranger can own: those of this
machine, an address, a name without a dot. A server for others answers to any name, as whoever can reach it may use it anyway,
unless `REGLAB_HOSTS` says by which names it is known.

*Origin.* What changes something must come from a page of this lab, or from no page. Browsers say so by `Sec-Fetch-Site`, or
else by `Origin`. Nothing is ever allowed to other pages (CORS): `Origin` is taken out before Gradio could do so.
"""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from reglab.deployment import Deployment
from reglab.ui.shell.asgi import Refusal, Scope, header

PORTS = {"http": 80, "https": 443}
LOOPBACK = "localhost"
FOREIGN = "A page of another site may not do that: open the lab itself."


def check_host(scope: Scope, deployment: Deployment) -> None:
    """Raises `Refusal` where the lab is not known by this name."""
    name = name_of(header(scope, "host"))
    if not (deployment.is_everybody_host or deployment.hosts) or not name or is_address(name):
        return
    own = {LOOPBACK, socket.gethostname().lower(), f"{socket.gethostname().lower()}.local", deployment.space_host}
    if name in own or name.endswith(f".{LOOPBACK}") or name in deployment.hosts:
        return
    if not deployment.hosts and "." not in name:
        return
    shown = name if re.fullmatch(r"[\w.-]{1,100}", name) else "this"
    raise Refusal(
        403,
        f"The lab is not known by the name {shown}: open it by its address, or start it with REGLAB_HOSTS={shown}.",
    )


def check_origin(scope: Scope, deployment: Deployment) -> None:
    """Raises `Refusal` where a page of another site asks for a change."""
    origin, site = header(scope, "origin"), header(scope, "sec-fetch-site")
    if scope["method"] in ("GET", "HEAD") or site in ("same-origin", "none") or not (origin or site):
        return
    asked = {place(f"{scope['scheme']}://{header(scope, name)}") for name in ("host", "x-forwarded-host")}
    here = place(origin)
    if here and (here in asked or here[0] in {*deployment.hosts, deployment.space_host}):
        return
    # A proxy that ends TLS has the lab asked by http at port 80, and the page at https and port 443.
    if here and any(there and there[0] == here[0] and {there[1], here[1]} == set(PORTS.values()) for there in asked):
        return
    raise Refusal(403, FOREIGN)


def place(url: str) -> tuple[str, int] | None:
    """The name and the port; every name of this machine itself is the same one."""
    try:
        parts = urlsplit(url)
        name, port = (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if not name:
        return None
    return (LOOPBACK if is_loopback(name) else name), port


def name_of(host: str) -> str:
    """The name in a `Host`, without the port."""
    found = place(f"http://{host}")
    return found[0] if found else ""


def is_address(name: str) -> bool:
    """Whether it is the number of a machine, which cannot be pointed elsewhere."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Whether it is this machine itself."""
    return name == LOOPBACK or (is_address(name) and ip_address(name).is_loopback)
