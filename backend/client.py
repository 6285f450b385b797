"""The Python client of the REST interface; the command line is one of its users.

    with Client("http://127.0.0.1:8000") as client:
        run = client.launch({"dataset": "digits", "epochs": 5, "batch": 64})
        client.wait(run["id"])

Answers are the JSON that the interface documents, as dictionaries. Times are in seconds.

The account that runs a service on this machine needs no token for it; a client elsewhere, or of another account, does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Self

import httpx

from backend.process.home import Home
from backend.transport import TransportProblem, http_client, proxy_for, without_password

#: One JSON object of the interface.
Json = dict[str, Any]
RunAction = Literal["pause", "resume", "stop", "clone"]

FINAL = frozenset({"completed", "failed", "stopped"})

#: What a service, or a proxy before it, answers while something of it is away.
_PASSING = frozenset({502, 503, 504})
#: Without which there is nothing to tell of a run.
_RUN = {"name": str, "status": str, "attempt": int, "config": dict}
_PAGE = 100
_LOG_PAGE = 1000
#: Between two full pages, so that whoever has more and more of them keeps no processor busy.
_PAGE_PAUSE_SECONDS = 0.01
#: After pages that are not full and yet have a next one, the tenth of which in a row is the last.
_ODD_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0)


class ClientError(Exception):
    """Base of what a call can raise."""


class Unreachable(ClientError):
    """Nothing answered at the address."""


class CannotConnect(Unreachable):
    """The address, the token or the environment's proxies allow no connection; says which, and the remedy."""


class BadAnswer(ClientError):
    """What answered is no service of this version, or one that contradicts itself; says in what."""


class Refused(ClientError):
    """The service answered with a problem; `errors` has its sentences by field where input was at fault."""

    def __init__(self, status: int, detail: str, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__(detail)
        self.status = status
        self.errors = errors


class Retry:
    """Retries while a service that has answered before is away, as when it is started anew: for `seconds` at most."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._answered_at: float | None = None

    def succeeded(self) -> None:
        self._answered_at = time.monotonic()

    def wait_after(self, error: ClientError) -> None:
        """Waits a second. Raises `error` where it will not pass, or has not for so long, or nothing ever answered."""
        is_passing = not isinstance(error, CannotConnect) and isinstance(error, Unreachable)
        is_passing |= isinstance(error, Refused) and error.status in _PASSING
        if not is_passing or self._answered_at is None or time.monotonic() - self._answered_at > self._seconds:
            raise error
        time.sleep(1)


class Client:
    """One connection to a service; close it, or use it as a context. Not to be shared between threads."""

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 20.0, is_own: bool = False) -> None:
        """`is_own` says that the service runs on this machine, which is then reached without a proxy."""
        self.url = url.rstrip("/")
        # Where the kernel does not tell the service whose connection this is, the token in our own home does.
        token = token or Home.chosen(None).token_for(self.url)
        if token and not (token.isascii() and token.isprintable()):
            raise CannotConnect(
                "the token holds characters that no header can carry; give it as the service printed it"
            )
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = http_client(self.url, base_path="/api/v1", headers=headers, timeout=timeout, is_own=is_own)
        except TransportProblem as error:
            raise CannotConnect(str(error)) from error
        proxy = None if is_own else proxy_for(self.url)
        self._through = f" through the proxy {without_password(proxy)}" if proxy else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def health(self) -> Json:
        return self._object("GET", "/health")

    def schema(self) -> Json:
        return self._object("GET", "/schema")

    def presets(self) -> list[Json]:
        return self._items("/presets")

    def preset(self, name: str) -> Json:
        """The configuration of a preset. Raises KeyError with the names there are."""
        known = {str(preset["name"]): preset["config"] for preset in self.presets()}
        if name not in known:
            raise KeyError(f"there is no preset {name!r}; there are {', '.join(known)}")
        return dict(known[name])

    def datasets(self) -> list[Json]:
        """The built-in ones, then those that were registered."""
        return self._items("/datasets")

    def register_dataset(
        self,
        name: str,
        *,
        dataset: str,
        data_dir: str,
        title: str | None = None,
        idempotency_key: str | None = None,
    ) -> Json:
        """Gives a folder of the kind `dataset` a name; a configuration goes on to say kind and folder themselves."""
        body = {"name": name, "title": title, "dataset": dataset, "data_dir": data_dir}
        return self._object("POST", "/datasets", json=_given(body), headers=_idempotency(idempotency_key))

    def remove_dataset(self, name: str) -> None:
        """Removes a registered name; the folder and the runs that were trained on it stay."""
        self._answer("DELETE", f"/datasets/{_segment(name, listed_by='datasets list')}")

    def workers(self) -> list[Json]:
        return self._items("/workers")

    def queue(self) -> list[Json]:
        return list(self._pages("/queue"))

    def runs(self, *, limit: int | None = None, **filters: str | None) -> Iterator[Json]:
        """Runs, newest first unless `sort` says otherwise; `filters` are status, q, tag and sort."""
        chosen = {name: value for name, value in filters.items() if value is not None}
        return self._pages("/runs", chosen, limit)

    def run(self, run_id: str) -> Json:
        """Raises BadAnswer where the answer is none about this run."""
        found = self._object("GET", f"/runs/{_segment(run_id)}")
        if found.get("id") != run_id or not all(isinstance(found.get(name), kind) for name, kind in _RUN.items()):
            raise self._bad_answer(f"what it says of {run_id} is no run")
        return found

    def check(self, config: Mapping[str, Any]) -> Json:
        """What the service makes of a configuration, without launching it."""
        return self._object("POST", "/runs/check", json={"config": dict(config)})

    def launch(
        self,
        config: Mapping[str, Any],
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        notes: str = "",
        idempotency_key: str | None = None,
    ) -> Json:
        """Launches a run. The same `idempotency_key` a second time answers with the run of the first."""
        body = {"config": dict(config), "name": name, "tags": list(tags), "notes": notes}
        return self._object("POST", "/runs", json=_given(body), headers=_idempotency(idempotency_key))

    def act(self, run_id: str, action: RunAction) -> Json:
        """Pauses, resumes, stops or clones a run; what is asked for happens soon after."""
        return self._object("POST", f"/runs/{_segment(run_id)}/{action}")

    def delete(self, run_id: str) -> None:
        self._answer("DELETE", f"/runs/{_segment(run_id)}")

    def edit(self, run_id: str, **changes: Any) -> Json:
        """Changes `name`, `tags` or `notes`."""
        return self._object("PATCH", f"/runs/{_segment(run_id)}", json=changes)

    def metrics(
        self, run_id: str, names: Sequence[str] = (), *, x: str = "step", max_points: int | None = None
    ) -> list[Json]:
        """The curves of a run: `name`, `x` and `values` each."""
        chosen = {"names": ",".join(names) or None, "x": x, "max_points": max_points}
        answer = self._object("GET", f"/runs/{_segment(run_id)}/metrics", params=_given(chosen))
        return list(answer["series"])

    def logs(self, run_id: str, *, after: int = 0) -> Iterator[Json]:
        """The lines that the training printed, from the one behind number `after` on."""
        while True:
            page = self._object("GET", f"/runs/{_segment(run_id)}/logs", params={"after": after, "limit": _LOG_PAGE})
            lines = self._items_of(page)
            for line in lines:
                if (
                    not isinstance(line.get("seq"), int)
                    or line["seq"] <= after
                    or not isinstance(line.get("line"), str)
                ):
                    raise self._bad_answer(f"after line {after} of the log it sends what is none of the following")
                after = line["seq"]
                yield line
            if len(lines) < _LOG_PAGE:
                return
            time.sleep(_PAGE_PAUSE_SECONDS)

    def events(self, run_id: str) -> list[Json]:
        """The history, oldest first."""
        return list(self._pages(f"/runs/{_segment(run_id)}/events"))

    def checkpoints(self, run_id: str) -> list[Json]:
        """Newest first."""
        return list(self._pages(f"/runs/{_segment(run_id)}/checkpoints"))

    def create_comparison(
        self,
        config: Mapping[str, Any],
        *,
        seeds: Sequence[int] | str = (0,),
        mode: Literal["sequential", "parallel"] = "sequential",
        name: str | None = None,
        tags: Sequence[str] = (),
        notes: str = "",
        arms: Sequence[Mapping[str, Any]] | None = None,
        template: str | None = None,
        plan: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Json:
        """Launches a run of each arm for each seed; without `arms` or `template` a baseline and stochastic depth.

        `seeds` may be a text such as "0-4"; an arm is {"name": ..., "settings": {...}}, and the first is the reference.
        All of its runs get the tags and the notes.
        """
        design = _design(config, seeds, arms, template, plan)
        body = design | _given({"mode": mode, "name": name, "tags": list(tags), "notes": notes})
        return self._object("POST", "/comparisons", json=body, headers=_idempotency(idempotency_key))

    def preview_comparison(
        self,
        config: Mapping[str, Any],
        *,
        seeds: Sequence[int] | str = (0,),
        arms: Sequence[Mapping[str, Any]] | None = None,
        template: str | None = None,
        plan: Mapping[str, Any] | None = None,
    ) -> Json:
        """What such a comparison would take and could show. Nothing is launched."""
        return self._object("POST", "/comparisons/preview", json=_design(config, seeds, arms, template, plan))

    def comparisons(self) -> list[Json]:
        """Newest first."""
        return list(self._pages("/comparisons"))

    def comparison_templates(self) -> list[Json]:
        """Designs to begin from."""
        return list(self._object("GET", "/comparison-templates")["items"])

    def comparison(self, comparison_id: str) -> Json:
        return self._object("GET", f"/comparisons/{_segment(comparison_id)}")

    def edit_comparison(
        self,
        comparison_id: str,
        *,
        name: str | None = None,
        plan: Mapping[str, Any] | None = None,
        seeds: Sequence[int] | str | None = None,
    ) -> Json:
        """Changes what is given; `seeds` are all that it shall have. Once a run has started, changes to plan and seeds
        are kept as deviations."""
        body = _given({"name": name, "plan": plan, "seeds": seeds})
        return self._object("PATCH", f"/comparisons/{_segment(comparison_id)}", json=body)

    def comparison_report(self, comparison_id: str) -> str:
        """A page of HTML that needs no network: write it to a file, open it, send it on."""
        return self._answer("GET", f"/comparisons/{_segment(comparison_id)}/report.html").text

    def comparison_results(self, comparison_id: str) -> str:
        """A CSV with a row for each run, which `resdrop evidence` reads."""
        return self._answer("GET", f"/comparisons/{_segment(comparison_id)}/results.csv").text

    def predictions(self, run_id: str) -> bytes:
        """What the trained network guesses of each validation image, as numpy's .npz."""
        return self._answer("GET", f"/runs/{_segment(run_id)}/predictions").content

    def compare(self, run_ids: Sequence[str]) -> Json:
        """What differs between runs, in configuration and results."""
        return self._object("GET", "/compare", params={"runs": ",".join(run_ids)})

    def wait(self, run_id: str, *, every: float = 1.0, retry_seconds: float = 60.0) -> Json:
        """Returns the run once it is completed, failed or stopped. All times are in seconds."""
        for run in self.follow(run_id, every=every, retry_seconds=retry_seconds):
            last = run
        return last

    def follow(self, run_id: str, *, every: float = 1.0, retry_seconds: float = 60.0) -> Iterator[Json]:
        """The run as it is now, `every` so many seconds, until it is completed, failed or stopped.

        Once it has answered, a service that is away for up to `retry_seconds` is waited for.
        """
        retry = Retry(retry_seconds)
        while True:
            try:
                run = self.run(run_id)
            except ClientError as error:
                retry.wait_after(error)
                continue
            retry.succeeded()
            yield run
            if run["status"] in FINAL:
                return
            time.sleep(every)

    def _pages(
        self, path: str, chosen: Mapping[str, Any] = MappingProxyType({}), limit: int | None = None
    ) -> Iterator[Json]:
        cursor: str | None = None
        seen: set[str] = set()
        odd_pauses = iter(_ODD_PAUSES_SECONDS)
        left = limit
        while left is None or left > 0:
            size = min(left or _PAGE, _PAGE)
            page = self._object("GET", path, params=_given({**chosen, "cursor": cursor, "limit": size}))
            items = self._items_of(page)
            yield from items
            left = None if left is None else left - len(items)
            cursor = page.get("next")
            if cursor is None or left == 0:
                return
            if not isinstance(cursor, str) or cursor in seen:
                raise self._bad_answer(f"the pages of {path} lead in a circle")
            seen.add(cursor)
            if len(items) >= size:
                odd_pauses = iter(_ODD_PAUSES_SECONDS)
            pause = _PAGE_PAUSE_SECONDS if len(items) >= size else next(odd_pauses, None)
            if pause is None:
                raise self._bad_answer(f"the pages of {path} go on and on, and have hardly anything")
            time.sleep(pause)

    def _items(self, path: str) -> list[Json]:
        """Of a list that has no pages."""
        return self._items_of(self._object("GET", path))

    def _items_of(self, page: Json) -> list[Json]:
        items = page.get("items")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._bad_answer("a list is asked for, and it sends none")
        return items

    def _object(self, method: str, path: str, **parts: Any) -> Json:
        try:
            found = self._answer(method, path, **parts).json()
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"what answers at {self.url} is no ResDrop") from error
        if not isinstance(found, dict):
            raise Unreachable(f"what answers at {self.url} is no ResDrop")
        return found

    def _bad_answer(self, why: str) -> BadAnswer:
        return BadAnswer(f"what answers at {self.url} makes no sense: {why}; is it a ResDrop of this version?")

    def _answer(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **parts)
        except httpx.RequestError as error:
            raise Unreachable(f"nothing answers at {self.url}{self._through} ({error})") from error
        if answer.is_error:
            raise _refusal(answer)
        return answer


def _refusal(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = str(problem.get("detail") or problem.get("title") or f"{answer.status_code} {answer.reason_phrase}")
    return Refused(answer.status_code, detail, problem.get("errors") or {})


def _given(values: Mapping[str, Any]) -> Json:
    """Without what was left open, for which the service has its own defaults."""
    return {name: value for name, value in values.items() if value is not None}


def _design(
    config: Mapping[str, Any],
    seeds: Sequence[int] | str,
    arms: Sequence[Mapping[str, Any]] | None,
    template: str | None,
    plan: Mapping[str, Any] | None,
) -> Json:
    return _given(
        {
            "config": dict(config),
            "seeds": seeds if isinstance(seeds, str) else list(seeds),
            "arms": None if arms is None else [dict(arm) for arm in arms],
            "template": template,
            "plan": None if plan is None else dict(plan),
        }
    )


def _idempotency(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}


def _segment(text: str, *, listed_by: str = "runs list") -> str:
    """An id as one segment of a path. Raises Refused for what can be none, so that no other path is asked for."""
    if not re.fullmatch(r"[\w-]+", text, re.ASCII):
        raise Refused(404, f"{text!r} is not known here; `resdrop {listed_by}` shows those there are", {})
    return text
