"""The address of a Ray cluster: what may be given, and whether somebody answers there in time."""

from __future__ import annotations

import os
import socket
import threading
import time
from importlib.util import find_spec
from urllib.parse import urlsplit

from reglab import compat
from reglab.errors import ConfigError

REACH_SECONDS = 8.0
GRPC = [("grpc.enable_http_proxy", 0)]  # as Ray itself connects


def address_of(place: str) -> str:
    """`ray` is this machine, told as an empty address; `ray://HOST:PORT` a cluster. Raises `ConfigError` for anything else."""
    if place == "ray":
        return ""
    try:
        parts = urlsplit(place)
        if parts.scheme == "ray" and parts.hostname and parts.port:
            return f"ray://{parts.netloc}"
    except ValueError:
        pass
    raise ConfigError(
        f"{place[:80]!r} is no place to train: choose local, ray (this machine) or ray://HOST:PORT (a cluster)."
    )


def check(address: str) -> None:
    """Raises `ConfigError` where Ray is not installed, or nothing that speaks Ray's language answers there in time."""
    if not all(map(find_spec, ("ray", "grpc"))):
        raise ConfigError(
            'Ray was asked for, but is not installed here: `pip install "reglab[ray]"`, or leave --on away.'
        )
    if not address:
        return
    found: list[str] = []
    threading.Thread(target=lambda: found.append(_knock(address)), daemon=True).start()
    deadline = time.monotonic() + REACH_SECONDS  # a name may take longer to look up than any timeout of a socket
    while not found and time.monotonic() < deadline:
        time.sleep(0.02)
    if not found or found[0]:
        raise ConfigError(
            f"The Ray cluster at {address} cannot be reached ({found[0] if found else 'no answer'}):"
            " see that it runs and serves clients on that port (10001 unless changed), or leave --on away."
        )


def _knock(address: str) -> str:
    """Why there is no cluster to be had; empty if there is one."""
    parts = urlsplit(address)
    host, port = str(parts.hostname), int(parts.port or 0)
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return ""  # left to Ray, which has the certificates
    import grpc

    with grpc.insecure_channel(f"{parts.netloc}", options=GRPC) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=3)
            if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
                channel.unary_unary(compat.ray.CLUSTER_INFO)(b"", timeout=1)
        except grpc.FutureTimeoutError:
            return "something answers there, but it is not Ray"
        except grpc.RpcError as error:  # any other answer is for Ray to understand
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                return "it wants a token: set RAY_AUTH_MODE=token, and the token in RAY_AUTH_TOKEN or ~/.ray/auth_token"
    return ""
