"""`resdrop up`: starts the parts, says what happens to them, and stops them in order."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path

from backend.cli.browser import one_time_link, open_page
from backend.cli.checks import Check, Level, check_postgres, check_redis_connection
from backend.cli.claiming import claimed
from backend.cli.terminal import say, say_timed
from backend.cli.watching import Watch, answers
from backend.db import soundness
from backend.process import listening, programs, redis_server, supervision
from backend.process.errors import CommandError
from backend.process.home import Home, write_private
from backend.process.privacy import PRIVATE_UMASK, make_private
from backend.process.repair import repair
from backend.security.addresses import (
    ALLOWED_HOSTS,
    ALLOWED_ORIGINS,
    ROOT_PATH,
    TRUSTED_PROXIES,
    is_everywhere,
    own_hosts,
)
from backend.settings import DEFAULT_PORT, Settings

#: Options with their environment variables, what they take, and what they are for.
_ADDRESSES = {
    "--allowed-hosts": (
        ALLOWED_HOSTS,
        "NAMES",
        "names that the service is asked for by, beside its own; commas between",
    ),
    "--allowed-origins": (ALLOWED_ORIGINS, "ORIGINS", "other sites whose pages may use the service, as https://HOST"),
    "--trusted-proxies": (TRUSTED_PROXIES, "ADDRESSES", "proxies whose X-Forwarded headers are believed"),
    "--root-path": (ROOT_PATH, "PATH", "where a proxy has the service on its site, such as /resdrop"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 is every one of this machine, "
        "for visitors who have the token (default: %(default)s)",
    )
    parser.add_argument("--port", default=str(DEFAULT_PORT), help="0 takes any free one (default: %(default)s)")
    parser.add_argument("--home", metavar="DIR", help="where everything is kept (default: $RESDROP_HOME or ~/.resdrop)")
    parser.add_argument(
        "--ask-owner", action="store_true", help="ask your own account for the token too (see docs/security.md)"
    )
    others = parser.add_argument_group("for other machines and reverse proxies (see docs/security.md)")
    for option, (_, metavar, described) in _ADDRESSES.items():
        others.add_argument(option, metavar=metavar, help=described)
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    parser.add_argument("--demo", action="store_true", help="launch a small comparison if there is no run yet")


def run(arguments: argparse.Namespace) -> int:
    port = listening.port_from(arguments.port)
    home = Home.chosen(arguments.home)
    # For what it writes into the home itself; the parts get theirs from their supervisor.
    os.umask(PRIVATE_UMASK)
    make_private(home.path, say_timed)
    for sentence in home.prepare():
        say_timed(sentence)
    with claimed(home) as lock:
        supervision.end_leftovers(home, programs.parts(with_redis=True), say_timed)
        settings = _settings(home, os.environ)
        for sentence in repair(home, files=settings.files):
            say_timed(sentence)
        # What an earlier one said of itself is over.
        home.unpublish()
        port = listening.reserve(arguments.host, port)
        parts, environment = plan(home, host=arguments.host, port=port, chosen=_chosen(arguments))
        _restore_root(settings)
        url = (
            listening.url_of(arguments.host, port) + _settings(home, {**os.environ, **environment}).addresses.root_path
        )
        watch = Watch(home, url=url, host=arguments.host, port=port)
        watch.begin(lambda: supervision.start(home, parts, environment=environment, lock=lock))
        if watch.until_answering(token=environment["RESDROP_TOKEN"]):
            _welcome(watch, environment["RESDROP_TOKEN"], arguments)
        return watch.until_gone(parts)


def _chosen(arguments: argparse.Namespace) -> dict[str, str]:
    """The settings that stand on the command line, as the parts read them."""
    chosen = {"RESDROP_ASK_OWNER": "1"} if arguments.ask_owner else {}
    for option, (variable, _, _) in _ADDRESSES.items():
        given = getattr(arguments, option.removeprefix("--").replace("-", "_"))
        if given is not None:
            chosen[variable] = given
    return chosen


def plan(
    home: Home, *, host: str, port: int, chosen: Mapping[str, str] | None = None
) -> tuple[list[programs.Program], dict[str, str]]:
    """The parts to start and the environment that they share, with the settings `chosen`. Raises CommandError."""
    environment = {"RESDROP_HOME": str(home.path), "RESDROP_HOST": host, "RESDROP_PORT": str(port), **(chosen or {})}
    named = redis_server.external(os.environ)
    if named is None:
        server = redis_server.configure(home)
        environment |= {"RESDROP_REDIS_URL": server.url, "RESDROP_UP_REDIS_SERVER": server.program}
    environment["RESDROP_TOKEN"] = home.kept_token(os.environ.get("RESDROP_TOKEN"))
    _check(environment)
    return programs.parts(with_redis=named is None), environment


def _check(environment: dict[str, str]) -> None:
    """What the parts would refuse one after the other is refused here, once."""
    settings = _settings(Home(Path(environment["RESDROP_HOME"])), {**os.environ, **environment})
    if "RESDROP_REDIS_URL" not in environment:
        _require(check_redis_connection(settings.redis_url))
    try:
        if settings.database_url.startswith("sqlite"):
            path = Path(settings.database_url.removeprefix("sqlite:///"))
            soundness.check_sqlite(path)
            _tell_of_runs_without(path, settings.files)
        else:
            _require(check_postgres(settings.database_url))
            soundness.check_postgres(settings.database_url)
    except soundness.Unusable as error:
        raise CommandError(str(error)) from error


def _tell_of_runs_without(database: Path, files: Path) -> None:
    """An empty database is made anew; what is left of the runs of a former one is not in it."""
    is_new = not database.exists() or database.stat().st_size == 0
    runs = sum(1 for folder in (files / "runs").glob("*") if folder.is_dir()) if is_new else 0
    if runs:
        how = "is empty" if database.exists() else "is not there"
        say_timed(
            f"the database {database} {how} and begins anew; {files / 'runs'} has the files of {runs} runs that were "
            "in another. To have them back, stop this and bring that database back from a backup"
        )


def _settings(home: Home, environment: Mapping[str, str]) -> Settings:
    try:
        return Settings.from_environment({**environment, "RESDROP_HOME": str(home.path)})
    except ValueError as error:
        raise CommandError(str(error)) from error


def _restore_root(settings: Settings) -> None:
    """Without the id of the storage root no run would find its checkpoints; SQL knows it from them."""
    file = settings.files / "root.json"
    if file.exists() or not (settings.files / "runs").is_dir():
        return
    from backend.runs.storage_root import known_root_id

    known = known_root_id(settings)
    if known is None:
        return
    write_private(file, json.dumps({"id": known}) + "\n")
    if not file.is_relative_to(settings.home):
        # Workers of other users may share it.
        file.chmod(0o644)
    say_timed(f"{file} is written anew: its checkpoints are those of storage {known}")


def _require(check: Check) -> None:
    """A service of somebody else's has to be there."""
    if check.level is Level.FAIL:
        raise CommandError(f"The {check.name} that was named does not answer: {check.text}. Remedy: {check.remedy}.")


def _welcome(watch: Watch, token: str, arguments: argparse.Namespace) -> None:
    is_known = answers(watch.url, token=None)
    say("")
    say(f"  ResDrop is ready: {watch.url}")
    say(f"  {_who_is_let_in(watch.home, is_known=is_known)}")
    if is_everywhere(arguments.host):
        names = ", ".join(sorted(own_hosts(arguments.host)))
        say(f"  It answers to every IP address of this machine and to {names}; --allowed-hosts adds names.")
    say(f"  home: {watch.home.path}   logs: {watch.home.logs}")
    say("  Ctrl-C stops everything; training is checkpointed and goes on with the next `resdrop up`.")
    say("")
    if arguments.demo:
        _launch_demo(watch.url, token)
    if not arguments.no_browser:
        open_page(watch.home, watch.url, link=None if is_known else one_time_link(watch.url, token))


def _who_is_let_in(home: Home, *, is_known: bool) -> str:
    ask = f"asked for the token in {home.path / 'token'}"
    if is_known:
        return f"Your own account of this machine is let in as it is; everybody else is {ask}."
    return f"Browsers are {ask}; the commands read it themselves."


def _launch_demo(url: str, token: str) -> None:
    from backend.cli.demo import launch_demo

    say_timed(launch_demo(url, token=token))
