"""A real nginx in front of a service, with the configuration that the documents show."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from backend.process.system_packages import find_nginx
from tests.support.service import REPOSITORY, free_port

_MAIN = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    types {{ }}
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
{locations}
    }}
}}
"""


def documented(text: str) -> list[str]:
    """The blocks of nginx's configuration in a document."""
    return re.findall(r"```nginx\n(.*?)```", text, flags=re.DOTALL)


def examples() -> list[str]:
    return documented((REPOSITORY / "docs" / "security.md").read_text())


@contextmanager
def nginx(folder: Path, locations: str) -> Iterator[int]:
    """Serves `locations` until the context ends; gives the port. It runs as the very account that runs the tests."""
    program = find_nginx()
    if program is None:
        pytest.skip("nginx is not installed here")
    folder.mkdir()
    port, user = free_port(), "user root;" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(_MAIN.format(folder=folder, port=port, user=user, locations=locations))
    command = [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            _wait_until_answering(process, port)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _wait_until_answering(process: subprocess.Popen[str], port: int) -> None:
    for _ in range(600):
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"nginx ended: {process.stderr.read()}")
        try:
            httpx.get(f"http://127.0.0.1:{port}/none", trust_env=False, timeout=1)
        except httpx.TransportError:
            continue
        return
    raise AssertionError("nginx does not answer")
