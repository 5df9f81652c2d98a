"""What a cluster does only when it is asked to by a feature gate."""

import ssl

import pytest
from aiohttp import ClientSession, TCPConnector

import kube_lite
from kube_lite.api.codecs import CBOR, decode
from kube_lite.api.codecs.cbor import PREFIX, encode
from kube_lite.api.identity import Json
from kube_lite.cluster.config import ConfigError, configure

PATH = "/api/v1/namespaces/default/configmaps"
GATE = "CBORServingAndStorage=true"


def _tls(cluster: kube_lite.Cluster) -> ssl.SSLContext:
    pki = cluster.directory / "pki"
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    return context


def _config_map(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


async def test_cbor_goes_in_and_out() -> None:
    async with (
        kube_lite.Cluster(parts="api", feature_gates=GATE) as cluster,
        ClientSession(
            cluster.url, connector=TCPConnector(ssl=_tls(cluster)), headers={"Accept": CBOR}
        ) as http,
    ):
        made = await http.post(PATH, data=encode(_config_map(k="1")), headers={"Content-Type": CBOR})
        assert (made.status, made.headers["Content-Type"]) == (201, CBOR)
        version = decode(await made.read(), CBOR).value["metadata"]["resourceVersion"]
        in_json = await (await http.get(f"{PATH}/a", headers={"Accept": "application/json"})).json()
        in_cbor = await (await http.get(f"{PATH}/a")).read()
        assert in_cbor.startswith(PREFIX)
        assert decode(in_cbor, CBOR).value == in_json
        listed = decode(await (await http.get(PATH)).read(), CBOR).value
        assert [item["data"] for item in listed["items"]] == [{"k": "1"}]

        applied = await http.patch(
            f"{PATH}/a?fieldManager=me",
            data=encode(_config_map(n="2")),
            headers={"Content-Type": "application/apply-patch+cbor"},
        )
        assert decode(await applied.read(), CBOR).value["data"] == {"k": "1", "n": "2"}
        watch = await http.get(PATH, params={"watch": "1", "resourceVersion": version, "timeoutSeconds": "1"})
        assert watch.headers["Content-Type"] == "application/cbor-seq"
        event = decode(await watch.read(), CBOR).value
        assert (event["type"], event["object"]["data"]) == ("MODIFIED", {"k": "1", "n": "2"})

        missing = await http.get(f"{PATH}/b")
        assert decode(await missing.read(), CBOR).value["reason"] == "NotFound"
        table = await http.get(PATH, headers={"Accept": f"{CBOR};as=Table;v=v1;g=meta.k8s.io"})
        assert (table.status, (await table.json())["message"]) == (
            406,
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf, application/cbor",
        )


async def test_without_its_gate_cbor_is_unknown() -> None:
    async with (
        kube_lite.Cluster(parts="api") as cluster,
        ClientSession(cluster.url, connector=TCPConnector(ssl=_tls(cluster))) as http,
    ):
        made = await http.post(PATH, data=encode(_config_map()), headers={"Content-Type": CBOR})
        assert made.status == 415
        assert (await http.get(PATH, headers={"Accept": CBOR})).status == 406


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"feature_gates": "Sorcery=true"}, "feature gates Sorcery: known are CBORServingAndStorage"),
        ({"feature_gates": "CBORServingAndStorage"}, "true or false is wanted"),
        ({"feature_gates": GATE, "kubernetes_version": "1.31"}, "Kubernetes 1.31 does not know it"),
    ],
)
def test_gates_that_make_no_sense_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configure(settings)


def test_gates_may_be_a_mapping_of_the_file() -> None:
    assert configure({"feature_gates": {"CBORServingAndStorage": True}}).feature_gates == {
        "CBORServingAndStorage"
    }
    assert configure({"feature_gates": "CBORServingAndStorage=false"}).feature_gates == frozenset()
