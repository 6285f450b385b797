"""The small comparison that `up --demo` launches, so that a newcomer sees curves at once."""

from __future__ import annotations

from backend.client import Client, ClientError


def launch_demo(url: str, *, token: str | None) -> str:
    """Launches it where there is no run yet; what to tell of it. A service that refuses is no reason to stop."""
    try:
        with Client(url, token=token, is_own=True) as client:
            if next(client.runs(limit=1), None) is not None:
                return "demo       there are runs already, so none was launched"
            made = client.create_comparison(client.preset("demo"), seeds=[0], name="Demo: digits")
    except (ClientError, KeyError) as error:
        return f"demo       could not be launched: {error}"
    runs = ",".join(run["id"] for run in made["runs"])
    return f"demo       launched a baseline and its stochastic-depth twin: {url}/compare?runs={runs}"
