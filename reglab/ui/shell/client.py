"""The address that a request comes from, as far as anybody can be trusted to say it.

A socket tells who is at its other end; behind a proxy that is the proxy. Each proxy adds the address it was asked from to
`X-Forwarded-For`, but whoever asks can have written into it before. So of `n` proxies that are known to be there, the last `n`
entries are theirs, and the first of those is the visitor; everything before is hearsay.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

Headers = Iterable[tuple[bytes, bytes]]


def trusted_address(peer: str, headers: Headers, proxies: int) -> str:
    """Who asks: the socket's peer, or what the outermost of the trusted proxies says of it."""
    if proxies == 0:
        return plain(peer) or peer
    told = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1").split(",")
    hops = [hop.strip() for hop in told if hop.strip()]
    return (plain(hops[-min(proxies, len(hops))]) if hops else "") or plain(peer) or peer


def plain(hop: str) -> str:
    """The address alone: without a port, brackets, or IPv6 around an IPv4 address; empty for what is no address."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        address = ip_address(hop)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
