"""``kube-lite check``: verify a data directory and say in words what is wrong with it."""

import argparse

from .serve import data_dir_of


def run(options: argparse.Namespace) -> int:
    """Print every problem. Returns 0 when there is none, else 1. A cluster may run there meanwhile."""
    from kube_lite.cluster import backup

    if options.directory is not None:
        options.data_dir = options.directory
    data_dir = data_dir_of(options)
    problems = backup.check_store(data_dir)
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{data_dir}: the store is sound.")
    return 1 if problems else 0
