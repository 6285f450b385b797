"""Which address to listen on, checked before anything is started."""

from __future__ import annotations

import socket

from backend.process.errors import CommandError


def port_from(text: str) -> int:
    """Raises CommandError for what is no port; 0 stands for any free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise CommandError(f"--port {text!r} is no port; take a number from 1 to 65535, or 0 for any free one.")
    return int(text)


def reserve(host: str, port: int) -> int:
    """The port to listen on, free a moment ago. Raises CommandError where `host` or `port` cannot be had."""
    family, address = _resolve(host, port)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server will do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except PermissionError:
            raise CommandError(
                f"Port {port} needs the rights of the superuser, as all below 1024 do; take --port 8000."
            ) from None
        except OSError as error:
            raise CommandError(_refused(host, port, error)) from None
        return int(probe.getsockname()[1])


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise CommandError(
            f"--host {host!r} is no address of this machine; take 127.0.0.1, or 0.0.0.0 for all of them."
        ) from None
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _refused(host: str, port: int, error: OSError) -> str:
    if "already in use" in str(error.strerror):
        return (
            f"Port {port} of {host} is taken by another program. Stop that, or choose another with --port "
            "(--port 0 takes any free one)."
        )
    return f"--host {host!r} cannot be listened on ({error.strerror}); take 127.0.0.1, or 0.0.0.0 for all addresses."


def url_of(host: str, port: int) -> str:
    """The address under which a browser on this machine finds what listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
