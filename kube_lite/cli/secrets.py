"""``kube-lite secrets``: encryption of what a running cluster stores; asks its API, as its administrator."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from kube_lite.api.errors import ApiError
from kube_lite.api.identity import Json
from kube_lite.client.kubeconfig import access, load
from kube_lite.client.remote import RemoteClient
from kube_lite.cluster import runfile
from kube_lite.cluster.encryption import PATH

from .failure import Failure
from .serve import data_dir_of, run_loop

LOOK_SECONDS = 0.2  # between two looks at a rewriting that is under way


def run(options: argparse.Namespace) -> int:
    """Carry out the action and print how things are then. Returns 1 when some values cannot be read."""
    if options.action is None:
        raise Failure("secrets: say what to do: status, rotate or reencrypt")
    data_dir = data_dir_of(options)
    running = runfile.read(data_dir)
    if running is None or not runfile.is_alive(running):
        raise Failure(f"no cluster runs in {data_dir}; start it with 'kube-lite up'")
    try:
        status = run_loop(carry_out(options.action, Path(running.kubeconfig)))
    except (ApiError, TimeoutError) as error:
        raise Failure(str(error) or "the cluster does not answer") from error
    print("\n".join(screen(status)))
    return 1 if status["rewriting"]["unreadable"] else 0


async def carry_out(action: str, kubeconfig: Path) -> Json:
    """Ask, and wait for a rewriting to end."""
    async with RemoteClient(access(load(kubeconfig))) as client:
        if action == "status":
            return await client.call("GET", PATH)
        status = await client.call("POST", f"{PATH}/{action}")
        shown = 0.0
        while status["rewriting"]["state"] == "updating":
            if sys.stderr.isatty() and time.monotonic() - shown > 1:
                shown = time.monotonic()
                print(progress(status), file=sys.stderr)
            await asyncio.sleep(LOOK_SECONDS)
            status = await client.call("GET", PATH)
        return status


def progress(status: Json) -> str:
    """One line: ``rewritten 1200; …``."""
    rewriting = status["rewriting"]
    return f"rewritten {rewriting['rewritten']}" + (f"; {rewriting['reason']}" if rewriting["reason"] else "")


def screen(status: Json) -> list[str]:
    """The lines of the screen."""
    rewriting = status["rewriting"]
    lines = [
        f"configuration  {status['configuration'] or 'none: Secrets, with keys of this cluster'}",
        f"encrypted      {', '.join(status['encrypted']) or 'nothing'}",
        f"own keys       {status['keys'][0]} writes"
        + "".join(f", {key} reads" for key in status["keys"][1:])
        + f" ({status['keysFile']})",
        f"rewriting      {rewriting['state']}, {rewriting['rewritten']} rewritten by the last one",
    ]
    if rewriting["unreadable"]:
        lines.append(f"unreadable     {rewriting['unreadable']}, such as: {rewriting['reason']}")
    elif rewriting["reason"]:
        lines.append(f"waiting        {rewriting['reason']}")
    lines += counted("stored values", status["values"])
    lines += counted("replaced values, until they are forgotten", status["replacedValues"])
    return lines


def counted(title: str, values: list[Json]) -> list[str]:
    """A line per resource and scheme; those that ``reencrypt`` would change say so."""
    if not values:
        return []
    lines = [title]
    for value in values:
        is_plain = value["scheme"] == "identity"
        state = "as they would be written today" if value["current"] else "to be rewritten: secrets reencrypt"
        what = "NOT encrypted" if is_plain else value["scheme"]
        lines.append(f"  {value['count']:>7} {value['resource']:<24} {what}, {state}")
    return lines
