import pytest

from kube_lite.api.identity import Json
from kube_lite.scheduler.spread import ZONE
from kube_lite.scheduler.volumes import Choice, Impossible, Limits

from .objects import choose, pod, snapshot, zone
from .storage import Stored

NODES = [zone("a1", "a"), zone("b1", "b")]
LATE: Json = {
    "metadata": {"name": "late"},
    "provisioner": "example.com/disk",
    "volumeBindingMode": "WaitForFirstConsumer",
}
LOCAL: Json = {**LATE, "metadata": {"name": "local"}, "provisioner": "kubernetes.io/no-provisioner"}


def using(*claims: str) -> Json:
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    return pod(volumes=volumes)


def claim(name: str = "data", volume: str = "", size: str = "1Gi", **spec: object) -> Json:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    named = {"volumeName": volume} if volume else {}
    return {
        "metadata": {"name": name, "namespace": "n", "uid": name},
        "spec": {**asked, **named, **spec},
        "status": {"phase": "Bound" if volume else "Pending"},
    }


def volume(name: str, where: str = "", size: str = "1Gi", **spec: object) -> Json:
    made: Json = {
        "metadata": {"name": name},
        "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], **spec},
        "status": {"phase": "Available"},
    }
    if where:
        expression = {"key": ZONE, "operator": "In", "values": [where]}
        made["spec"]["nodeAffinity"] = {
            "required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        }
    return made


@pytest.mark.parametrize(
    ("storage", "why"),
    [
        (Stored(), 'persistentvolumeclaim "data" not found'),
        (Stored([claim()]), "pod has unbound immediate PersistentVolumeClaims"),
        (
            Stored([{**claim(volume="v"), "status": {"phase": "Lost"}}]),
            'persistentvolumeclaim "data" bound to non-existent persistentvolume "v"',
        ),
    ],
)
def test_a_pod_whose_claims_are_not_ready_goes_nowhere(storage: Stored, why: str) -> None:
    told = choose(using("data"), snapshot(*NODES), storage=storage)
    assert told.startswith(f"0/2 nodes are available: {why}. ")


def test_a_pod_follows_its_volume() -> None:
    storage = Stored([claim(volume="v")], [volume("v", "b")])
    assert choose(using("data"), snapshot(*NODES), storage=storage) == "b1"
    told = choose(using("data"), snapshot(NODES[0]), storage=storage)
    assert "1 node(s) had volume node affinity conflict" in told


def test_a_volume_with_a_zone_is_reached_from_there_only() -> None:
    labelled = volume("v")
    labelled["metadata"]["labels"] = {ZONE: "b"}
    storage = Stored([claim(volume="v")], [labelled])
    assert choose(using("data"), snapshot(*NODES), storage=storage) == "b1"


def test_a_claim_that_waits_takes_a_volume_that_the_node_reaches() -> None:
    found = [volume("far", "a", storageClassName="local"), volume("near", "b", storageClassName="local")]
    storage = Stored([claim(storageClassName="local")], found, [LOCAL])
    nodes = snapshot(NODES[1])
    assert choose(using("data"), nodes, storage=storage) == "b1"
    choice = Limits(using("data"), storage).choose(nodes.nodes()[0])
    assert choice is not None
    assert list(choice.kept.values()) == ["near"]
    nothing = Stored([claim(storageClassName="local", size="9Gi")], found, [LOCAL])
    told = choose(using("data"), nodes, storage=nothing)
    assert "1 node(s) didn't find available persistent volumes to bind" in told


def test_two_claims_do_not_take_the_same_volume() -> None:
    claims = [claim("one", storageClassName="local"), claim("two", storageClassName="local")]
    storage = Stored(claims, [volume("only", storageClassName="local")], [LOCAL])
    assert Limits(using("one", "two"), storage).choose(snapshot(*NODES).nodes()[0]) is None


def test_a_provisioner_makes_a_volume_where_its_class_allows() -> None:
    expressions = [{"key": ZONE, "values": ["b"]}]
    limited = {**LATE, "allowedTopologies": [{"matchLabelExpressions": expressions}]}
    storage = Stored([claim(storageClassName="late")], (), [limited])
    nodes = snapshot(*NODES)
    assert choose(using("data"), nodes, storage=storage) == "b1"
    limits = Limits(using("data"), storage)
    assert limits.choose(nodes.nodes()[0]) is None
    choice = limits.choose(nodes.nodes()[1])
    assert isinstance(choice, Choice)
    assert [str(key) for key in choice.made] == ["n/data"]


def test_a_claim_for_one_pod_is_not_shared() -> None:
    alone = claim(volume="v", accessModes=["ReadWriteOncePod"])
    storage = Stored([alone], [volume("v")])
    other = using("data")
    other["metadata"]["uid"] = "other"
    told = choose(using("data"), snapshot(*NODES, placed=[("a1", other)]), storage=storage)
    assert "ReadWriteOncePod access mode" in told


def test_a_claim_of_the_pods_own_is_waited_for() -> None:
    made = pod(volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}])
    with pytest.raises(Impossible, match="waiting for ephemeral volume controller to create"):
        Limits(made, Stored())
