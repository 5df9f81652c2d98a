"""``kube-lite kubeconfig``: print it, or merge it into the user's own."""

import argparse
import os
from pathlib import Path

from kube_lite.cluster import runfile

from .failure import Failure
from .serve import data_dir_of


def run(options: argparse.Namespace) -> int:
    """Print the kubeconfig of the cluster in the data directory, running or not."""
    data_dir = data_dir_of(options)
    running = runfile.read(data_dir)
    path = Path(running.kubeconfig) if running else data_dir / "kubeconfig"
    if not path.exists():
        raise Failure(f"there is no cluster in {data_dir} yet; start one with 'kube-lite up'")
    if not options.merge:
        print(path.read_text(), end="")
        return 0
    from kube_lite.client.kubeconfig import KubeconfigError, load, merge

    target = own_kubeconfig()
    try:
        merge(target, load(path))
    except KubeconfigError as error:
        raise Failure(str(error)) from error
    print(f"Added the context kube-lite to {target} and made it current.")
    return 0


def own_kubeconfig() -> Path:
    """Where kubectl would write: the first file of ``$KUBECONFIG``, or ``~/.kube/config``."""
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / ".kube" / "config"
