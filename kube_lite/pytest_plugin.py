"""Fixtures for test suites that want a cluster; imports the rest only inside them.

A test asks for one by name::

    def test_my_operator(cluster):
        subprocess.run(["kubectl", "--kubeconfig", cluster.kubeconfig, "apply", "-f", "crd.yaml"], check=True)
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kube_lite.cluster.compose import Cluster


@pytest.fixture
def cluster() -> "Iterator[Cluster]":
    """A cluster of its own for one test, in a thread of this process: API server, controllers and scheduler.

    Its node takes Pods but runs no processes (``runtime="fake"``), so it needs neither root nor Linux
    namespaces. ``cluster.url`` and ``cluster.kubeconfig`` are for clients, the latter is a path.
    """
    from kube_lite.cluster.thread import ThreadedCluster

    with ThreadedCluster(listen="127.0.0.1:0", runtime="fake", durable=False) as started:
        yield started
