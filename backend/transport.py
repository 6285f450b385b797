"""How a client reaches a service: directly on this machine, and elsewhere through the proxy that the environment names.

httpx reads the environment itself, but applies its proxies to loopback addresses, ends with an ImportError for SOCKS,
and takes an entry of NO_PROXY that it cannot read for a fault of the address. So it is told what to do.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import sys
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import httpx

from backend.loopback import address_of, is_loopback

_DEFAULT_PORTS = {"http": 80, "https": 443}


class TransportProblem(ValueError):
    """The address or the environment does not allow a connection; says which, and the remedy."""


def http_client(
    url: str,
    *,
    base_path: str,
    headers: Mapping[str, str],
    timeout: float,
    is_own: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> httpx.Client:
    """`is_own` says that the service runs on this machine, whatever its address. Raises TransportProblem."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise TransportProblem(f"{url!r} is no address ({error}); write it as http://HOST:PORT") from error
    proxy = None if is_own else proxy_for(url, environment)
    # Plain HTTP needs no certificates, whose file may be missing.
    needs_certificates = parts.scheme == "https" or (proxy or "").startswith("https:")
    verify = _certificates(environment) if needs_certificates else False
    try:
        return httpx.Client(
            base_url=f"{url}{base_path}", headers=headers, timeout=timeout, proxy=proxy, verify=verify, trust_env=False
        )
    except ImportError:
        raise TransportProblem(
            f"the proxy {without_password(proxy)} speaks SOCKS, for which Python's package socksio is missing: install "
            f"it ({sys.executable} -m pip install socksio), or name {host} in NO_PROXY to reach it directly"
        ) from None
    except (ValueError, httpx.InvalidURL) as error:
        raise TransportProblem(
            f"the proxy {without_password(proxy)} that the environment names cannot be used ({error}); correct "
            f"{parts.scheme}_proxy or ALL_PROXY, or name {host} in NO_PROXY"
        ) from error


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The proxy for an address, by the variables that curl reads too; small letters win over capitals."""
    parts = urlsplit(url)
    if is_loopback(parts.hostname or "") or _is_exempt(parts, _variable("no_proxy", environment)):
        return None
    proxy = _variable(f"{parts.scheme}_proxy", environment) or _variable("all_proxy", environment)
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _variable(name: str, environment: Mapping[str, str]) -> str | None:
    return next((found for one in (name, name.upper()) if (found := environment.get(one, "").strip())), None)


def _is_exempt(parts: SplitResult, exceptions: str | None) -> bool:
    """Names, endings of names, addresses, networks, each with a port or without; `*` is everybody."""
    host = (parts.hostname or "").rstrip(".").lower()
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    entries = [entry.lower() for entry in (exceptions or "").replace(",", " ").split()]
    return any(entry == "*" or _matches(entry.removeprefix("*"), host, port) for entry in entries)


def _matches(entry: str, host: str, port: int | None) -> bool:
    name, wanted = _split_port(entry.partition("://")[2] or entry)
    if wanted and wanted != str(port):
        return False
    address = address_of(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(name, strict=False)
        except ValueError:
            return False
    name = name.strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, str]:
    """Of `host:port`, `[::1]:port`, and addresses of six colons that have none."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = entry.rpartition(":")
    return (name, port) if entry.count(":") == 1 else (entry, "")


def _certificates(environment: Mapping[str, str]) -> ssl.SSLContext | bool:
    file, folder = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    if not file and not folder:
        return True
    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        raise TransportProblem(
            f"the certificates of SSL_CERT_FILE {file!r} cannot be read ({error.strerror or error}); "
            "name a file of certificates, or unset it"
        ) from error


def without_password(proxy: str | None) -> str:
    """Without the password that may stand in it."""
    scheme, _, rest = (proxy or "").partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
