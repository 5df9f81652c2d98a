from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kube_lite.api.identity import GroupVersionResource

from .site import Site, site_in

NAMESPACES = GroupVersionResource("", "v1", "namespaces")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A server with one namespace, ``default``."""
    async with site_in(tmp_path) as made:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        await made.client.create(NAMESPACES, namespace)
        yield made
