"""Under which names, from whose pages, through which proxies and below which path the service is reached."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

ALLOWED_HOSTS = "RESDROP_ALLOWED_HOSTS"
ALLOWED_ORIGINS = "RESDROP_ALLOWED_ORIGINS"
TRUSTED_PROXIES = "RESDROP_TRUSTED_PROXIES"
ROOT_PATH = "RESDROP_ROOT_PATH"

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})
DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
#: First parts of our own addresses, which would be taken for the root path where a proxy has removed it.
_OWN = frozenset({"api", "static", "login", "runs", "new", "compare", "comparisons", "openapi"})


@dataclass(frozen=True)
class Addresses:
    """`allowed_hosts` are names without port in small letters, `*.` in front for all below; `allowed_origins` as
    browsers send them (scheme://host, with the port unless it is the scheme's own); `root_path` is empty or begins with
    a slash and ends with none."""

    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    root_path: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Addresses:
        """Raises ValueError naming the variable, its value and the remedy."""
        return cls(
            allowed_hosts=tuple(_allowed_host(text) for text in _entries(environment, ALLOWED_HOSTS)),
            allowed_origins=tuple(_allowed_origin(text) for text in _entries(environment, ALLOWED_ORIGINS)),
            trusted_proxies=tuple(_network(text) for text in _entries(environment, TRUSTED_PROXIES)),
            root_path=_root_path(environment.get(ROOT_PATH, "").strip()),
        )

    @property
    def has_proxy(self) -> bool:
        """Do the settings tell of a proxy in front of the service?"""
        return bool(self.trusted_proxies or self.root_path)

    def allows_host(self, name: str) -> bool:
        """`name` in small letters, without port."""
        return any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in self.allowed_hosts)

    def trusts(self, address: str) -> bool:
        """Is it the address of a proxy whose headers are believed?"""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self.trusted_proxies)


def is_everywhere(host: str) -> bool:
    """Does it stand for every address of this machine?"""
    return host in _EVERYWHERE


def own_hosts(host: str) -> frozenset[str]:
    """The names, without port, under which a service bound to `host` answers in any case."""
    if not is_everywhere(host):
        return LOOPBACK | {host.lower().strip("[]")}
    own = socket.gethostname().lower()
    # Its own names in the network of the house; mDNS gives the second one.
    return LOOPBACK | {own, f"{own.partition('.')[0]}.local"}


def is_root_path(text: str) -> bool:
    """Can the service lie below it?"""
    return _ROOT_PATH.fullmatch(text) is not None and text.split("/")[1] not in _OWN


def origin_as_sent(text: str) -> str:
    """Of an origin, in the one way in which browsers spell it. Raises ValueError where it is none."""
    parts = urlsplit(text.rstrip("/"))
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path or parts.query or parts.username:
        raise ValueError(text)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else _to_ascii(parts.hostname)
    port = parts.port
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, DEFAULT_PORTS[parts.scheme]) else "")


def _entries(environment: Mapping[str, str], variable: str) -> Iterator[str]:
    """Separated by commas or spaces."""
    yield from environment.get(variable, "").replace(",", " ").split()


def _allowed_host(text: str) -> str:
    if text == "*":
        raise ValueError(
            f"{ALLOWED_HOSTS} '*' would let a page of any site use the service (DNS rebinding); "
            "name the hosts, or all below one as *.example.org"
        )
    name = text.lower().rstrip(".").strip("[]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        name = _to_ascii(name)
    except ValueError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{ALLOWED_HOSTS} {text!r} is not the name of a host; write the name or address alone, "
            "without http:// and port, such as gpu-box.example.org"
        )
    return name


def _allowed_origin(text: str) -> str:
    try:
        return origin_as_sent(text)
    except ValueError:
        raise ValueError(
            f"{ALLOWED_ORIGINS} {text!r} is not an origin; write scheme, host and port alone, "
            "such as https://dashboards.example.org:8443"
        ) from None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        raise ValueError(
            f"{TRUSTED_PROXIES} {text!r} is neither an IP address nor a network; "
            "write the proxy's address, such as 127.0.0.1 or 172.18.0.0/16"
        ) from None


def _root_path(text: str) -> str:
    path = "/" + text.strip("/") if text.strip("/") else ""
    if path and not is_root_path(path):
        raise ValueError(
            f"{ROOT_PATH} {text!r} cannot be the path of the service; take letters, digits, '-', '_', '.' and '~' "
            f"between slashes, such as /resdrop, and no first part of its own ({', '.join(sorted(_OWN))})"
        )
    return path


def _to_ascii(name: str) -> str:
    """As browsers ask for it. Raises ValueError."""
    return name if name.isascii() else name.encode("idna").decode()
