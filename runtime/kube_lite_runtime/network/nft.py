"""nftables rule sets: texts made by pure ``plan_*`` functions, applied atomically by ``nft -f -``.

A set of rules owns a whole table. To replace it, one transaction makes the table if it is not there, deletes
it and makes it anew: the kernel switches from the old rules to the new ones at once, and connections that
are already translated go on. Starting ``nft`` takes 3 ms; that is spent in a thread.
"""

import os
import shutil
import subprocess

from kube_lite_runtime.errors import NotSupported


def plan_replacement(table: str, body: str) -> str:
    """The text that makes ``body`` the whole content of a table of the ``ip`` family."""
    return f"table ip {table} {{}}\ndelete table ip {table}\ntable ip {table} {{\n{body}\n}}\n"


def plan_removal(table: str) -> str:
    """The text that leaves no such table, whether there is one or not."""
    return f"table ip {table} {{}}\ndelete table ip {table}\n"


def plan_masquerade(bridge: str, pod_cidr: str) -> str:
    """What lets pods talk to the world beyond the host: their packets leave under the host's address."""
    return (
        "chain postrouting {\n"
        "  type nat hook postrouting priority srcnat; policy accept;\n"
        f'  ip saddr {pod_cidr} oifname != "{bridge}" masquerade\n'
        "}"
    )


def is_allowed() -> bool:
    """Whether this process may change the kernel's tables: as root, with the ``nft`` command."""
    command = _command()
    if command is None or os.geteuid() != 0:
        return False
    probe = subprocess.run(
        [command, "-c", "-f", "-"], input=b"table ip kube_lite_probe {}\n", capture_output=True
    )
    return probe.returncode == 0


def apply(text: str) -> None:
    """Do all that ``text`` says, or nothing. Blocks for some milliseconds.

    Raises ``NotSupported`` with what ``nft`` said, when it is missing or refuses.
    """
    command = _command()
    if command is None:
        raise NotSupported("nftables rules need the nft command; install the package nftables")
    done = subprocess.run([command, "-f", "-"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotSupported(f"nft refuses the rules: {done.stderr.strip()[:500]}")


def _command() -> str | None:
    # /usr/sbin is not on every user's path.
    return shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin:/usr/local/sbin")
