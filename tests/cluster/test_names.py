"""What a cluster calls itself, and the names under which it can be reached safely."""

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509

import kube_lite
from kube_lite.api.identity import GroupVersionResource
from kube_lite.cluster.config import ConfigError, configure

NODES = GroupVersionResource("", "v1", "nodes")


async def test_the_certificate_is_also_for_the_names_that_are_asked_for(tmp_path: Path) -> None:
    for names in ((), ("cluster.example.com", "192.0.2.7")):
        async with kube_lite.Cluster(parts="api", data_dir=tmp_path, tls_san=names) as cluster:
            host, port = cluster.url.removeprefix("https://").split(":")
            text = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
        certificate = x509.load_pem_x509_certificate(text.encode())
        served = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert {str(entry.value) for entry in served} >= {"kubernetes.default.svc", "127.0.0.1", *names}


async def test_the_release_has_the_name_that_is_given() -> None:
    shown = "v1.36.2-vendor.1"
    async with kube_lite.Cluster(parts="all", runtime="fake", git_version=shown) as cluster:
        (node,) = (await cluster.client.list(NODES)).items
        assert node["status"]["nodeInfo"]["kubeletVersion"] == shown
        assert cluster.server.git_version == shown


def test_a_name_that_is_no_version_is_refused() -> None:
    with pytest.raises(ConfigError, match="git version 'latest': one such as"):
        configure({"git_version": "latest"})
