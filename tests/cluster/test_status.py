"""What ``kube-lite status`` says without a cluster to ask."""

from pathlib import Path

import pytest

from kube_lite.cli.status import screen
from kube_lite.cluster.runfile import Running


@pytest.mark.parametrize("durable", [True, False])
def test_a_store_that_is_not_durable_is_said_to_be(durable: bool) -> None:
    running = Running(1, 0, "https://host", "kubeconfig", "v1.36", "0.1", 0.0, ["api"], durable=durable)
    seen = {"healthy": True, "why": "", "nodes": [], "pods": {}}
    said = "\n".join(screen(running, Path("data"), seen))
    assert ("not durable" in said) is not durable
