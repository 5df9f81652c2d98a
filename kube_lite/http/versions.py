"""``/version``: which Kubernetes this claims to be, and honestly which program it is.

``gitVersion`` is the release with our name as build metadata, as other distributions do it: clients compare
the numbers and people see what answers.
"""

import platform
import sys

from kube_lite.api.identity import Json

EMULATING_SINCE = 33  # the minor release that first told which versions it can stand in for
BUILD = "kube-lite"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}  # Go's names, which clients know


def git_version(version: str) -> str:
    """``1.36`` → ``v1.36.0+kube-lite``; a patch level is kept when it is given."""
    numbers = version.split(".")
    return f"v{'.'.join([*numbers, '0'][:3])}+{BUILD}"


def version_document(version: str, shown: str) -> Json:
    """The answer of ``/version``; what a program written in Go would say of itself stays empty.

    Args:
        shown: the ``gitVersion``.
    """
    major, minor = version.split(".")[:2]
    before = str(int(minor) - 1)
    machine = platform.machine()
    document: Json = {"major": major, "minor": minor}
    if int(minor) >= EMULATING_SINCE:
        document |= {"emulationMajor": major, "emulationMinor": minor}
        document |= {"minCompatibilityMajor": major, "minCompatibilityMinor": before}
    document |= {"gitVersion": shown, "gitCommit": "", "gitTreeState": "", "buildDate": ""}
    document |= {"goVersion": "", "compiler": "gc"}
    document["platform"] = f"{sys.platform}/{MACHINES.get(machine, machine)}"
    return document
