"""``kube-lite version``."""

import argparse

from kube_lite import __version__
from kube_lite.cluster.config import RELEASES, Config


def run(options: argparse.Namespace) -> int:
    """Print what this program is, and which releases it can be."""
    print(f"kube-lite {__version__}")
    print(f"Kubernetes API {Config().kubernetes_version} (of {RELEASES[0]} to {RELEASES[-1]})")
    return 0
