from collections import Counter
from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.errors import Forbidden
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.controllers.pods import worth
from kube_lite.controllers.replicaset import REPLICA_SET_KIND, count_pods, plan_scaling, plan_status
from kube_lite.controllers.resources import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, SERVICE_ACCOUNTS
from kube_lite.kit.clock import ManualClock

from . import objects
from .harness import World, replica_set, world
from .objects import NOW, pod

CHEAP, DEAR = "cheap", "dear"


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        pytest.param(pod(CHEAP, node=""), pod(DEAR, ready=False), id="unassigned before assigned"),
        pytest.param(pod(CHEAP, phase="Pending"), pod(DEAR, ready=False), id="pending before running"),
        pytest.param(pod(CHEAP, ready=False), pod(DEAR), id="not ready before ready"),
        pytest.param(
            pod(CHEAP, annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}),
            pod(DEAR, restarts=9),
            id="low deletion cost first",
        ),
        pytest.param(pod(CHEAP, node="crowded"), pod(DEAR, restarts=9), id="crowded nodes first"),
        pytest.param(
            pod(CHEAP, ready_since="2023-11-14T22:13:00Z"),
            pod(DEAR, restarts=9),
            id="ready for a short time first",
        ),
        pytest.param(pod(CHEAP, restarts=3), pod(DEAR), id="often restarted first"),
        pytest.param(pod(CHEAP, created="2023-11-14T22:13:00Z"), pod(DEAR), id="young before old"),
    ],
)
def test_the_cheapest_pod_goes_first(cheap: Json, dear: Json) -> None:
    neighbours = Counter({"crowded": 3, "n1": 1})
    for pods in ([cheap, dear], [dear, cheap]):
        assert plan_scaling(1, pods, neighbours, NOW).delete == [cheap]


def test_ages_of_the_same_magnitude_do_not_decide() -> None:
    first, second = pod("a", created="2023-11-14T21:00:00Z"), pod("b", created="2023-11-14T21:05:00Z")
    assert worth(first, neighbours=0, now=NOW)[:-1] == worth(second, neighbours=0, now=NOW)[:-1]


def test_one_pass_is_bounded() -> None:
    assert plan_scaling(10_000, [], Counter(), NOW).create == 500
    assert len(plan_scaling(0, [pod(str(n)) for n in range(700)], Counter(), NOW).delete) == 500


def test_counts_tell_ready_available_and_terminating_apart() -> None:
    owner = objects.replica_set()
    owner["spec"]["minReadySeconds"] = 30
    pods = [
        pod("old"),
        pod("fresh", ready_since="2023-11-14T22:13:10Z"),
        pod("starting", ready=False),
        pod("going", deleting=True),
        pod("done", phase="Succeeded"),
        pod("other", labels={}),
    ]
    counts = count_pods(owner, pods, NOW)
    assert counts[:5] == (4, 3, 3, 2, 1)
    assert counts.next_available == 20


def test_a_failure_is_a_condition_until_it_is_over() -> None:
    owner = objects.replica_set()
    counts = count_pods(owner, [], NOW)
    status = plan_status(owner, counts, Forbidden("quota"), kind=REPLICA_SET_KIND, missing=2, now=NOW)
    entry = meta.condition({"status": status}, "ReplicaFailure")
    assert entry is not None
    assert (entry["reason"], entry["message"]) == ("FailedCreate", "quota")
    after = plan_status({**owner, "status": status}, counts, None, kind=REPLICA_SET_KIND, missing=2, now=NOW)
    assert "conditions" not in after


async def has_status(it: World, name: str, **fields: int) -> bool:
    found = await it.get(REPLICA_SETS, name)
    status = found.get("status") or {}
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    return seen and all(status.get(field, 0) == value for field, value in fields.items())


@pytest.mark.parametrize(
    ("resource", "kind"), [(REPLICA_SETS, "ReplicaSet"), (REPLICATION_CONTROLLERS, "ReplicationController")]
)
async def test_pods_are_made_and_unmade_as_asked(
    tmp_path: Path, resource: GroupVersionResource, kind: str
) -> None:
    async with world(tmp_path) as it, it.node():
        made = replica_set(replicas=7)
        if kind == "ReplicationController":
            made |= {"apiVersion": "v1", "kind": kind}
            made["spec"] = {**made["spec"], "selector": {"app": "one"}}
        await it.create(resource, made)

        async def are_up() -> bool:
            status = (await it.get(resource, "one")).get("status") or {}
            return bool(status.get("availableReplicas") == 7)

        await it.until(are_up)
        assert len(await it.list(PODS)) == 7
        await it.merge(resource, "one", {"spec": {"replicas": 2}})

        async def are_two() -> bool:
            return len(await it.list(PODS)) == 2

        await it.until(are_two)


async def test_a_pod_that_goes_is_replaced(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(REPLICA_SETS, replica_set(replicas=2))
        await it.until(lambda: has_status(it, "one", availableReplicas=2))
        [first, _] = await it.list(PODS)
        await it.delete(PODS, first["metadata"]["name"])

        async def is_replaced() -> bool:
            names = {found["metadata"]["name"] for found in await it.list(PODS)}
            return len(names) == 2 and first["metadata"]["name"] not in names

        await it.until(is_replaced)


async def test_orphans_are_adopted_and_those_that_no_longer_match_are_let_go(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        template = replica_set()["spec"]["template"]
        await it.create(PODS, {**template, "metadata": {"name": "lonely", "labels": {"app": "one"}}})
        owner = await it.create(REPLICA_SETS, replica_set(replicas=1))
        await it.until(lambda: has_status(it, "one", availableReplicas=1))
        assert meta.is_controlled_by(await it.get(PODS, "lonely"), owner)
        await it.merge(PODS, "lonely", {"metadata": {"labels": {"app": "other"}}})

        async def is_let_go() -> bool:
            return not meta.owner_references(await it.get(PODS, "lonely")) and len(await it.list(PODS)) == 2

        await it.until(is_let_go)


async def test_refused_pods_are_told_of_and_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        made = replica_set(replicas=2)
        made["spec"]["template"]["spec"]["serviceAccountName"] = "robot"
        await it.create(REPLICA_SETS, made)

        async def is_told() -> bool:
            return meta.is_condition_true(await it.get(REPLICA_SETS, "one"), "ReplicaFailure")

        await it.until(is_told)
        assert await it.messages("FailedCreate")
        await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot"}})
        await it.until(lambda: has_status(it, "one", availableReplicas=2))
        assert not meta.is_condition_true(await it.get(REPLICA_SETS, "one"), "ReplicaFailure")


async def test_a_ready_pod_is_available_only_after_its_time_and_by_itself(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it, it.node():
        await it.create(REPLICA_SETS, replica_set(replicas=1, minReadySeconds=30))
        await it.until(lambda: has_status(it, "one", readyReplicas=1, availableReplicas=0))
        await clock.advance(31)
        await it.until(lambda: has_status(it, "one", availableReplicas=1))


async def test_a_set_made_anew_does_not_wait_for_the_pods_of_its_namesake(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it, it.node():
        for _ in range(3):
            await it.create(REPLICA_SETS, replica_set(replicas=3))
            await it.delete(REPLICA_SETS, "one", "Background")
        await it.create(REPLICA_SETS, replica_set(replicas=3))
        await it.until(lambda: has_status(it, "one", availableReplicas=3))
