from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.controllers import statefulset_claims as claims
from kube_lite.controllers import statefulset_plan as plans
from kube_lite.controllers.history import REVISION_HASH, Past, data_of, plan_trimming
from kube_lite.controllers.resources import (
    CONTROLLER_REVISIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
)
from kube_lite.kit.clock import ManualClock

from . import objects
from .harness import World, image, stateful_set, world
from .objects import NOW, pod

Numbers = list[int]


def owner(replicas: int = 3, **spec: object) -> Json:
    made = objects.deployment("web", replicas=replicas)
    return {**made, "kind": "StatefulSet", "spec": {**made["spec"], **spec}}


def numbered(ordinal: int, revision: str = "new", **facts: object) -> Json:
    made = pod(f"web-{ordinal}", **facts)  # type: ignore[arg-type]  # facts are those of ``pod``
    made["metadata"]["labels"] = {"app": "web", REVISION_HASH: revision}
    return made


def names(pods: list[Json]) -> list[str]:
    return [entry["metadata"]["name"] for entry in pods]


ALL = [numbered(0), numbered(1), numbered(2)]


@pytest.mark.parametrize(
    ("spec", "pods", "create", "delete"),
    [
        pytest.param({}, [], [0], [], id="one after the other"),
        pytest.param({}, [numbered(0, ready=False)], [], [], id="the next waits for the one before"),
        pytest.param({}, [numbered(0), numbered(2)], [1], [], id="gaps are filled first"),
        pytest.param({}, [numbered(0, phase="Failed")], [], ["web-0"], id="a failed one is made anew"),
        pytest.param({}, [numbered(0, deleting=True), *ALL[1:]], [], [], id="an ending one is waited for"),
        pytest.param({"podManagementPolicy": "Parallel"}, [], [0, 1, 2], [], id="parallel: all at once"),
        pytest.param({"ordinals": {"start": 4}}, [], [4], [], id="counting from elsewhere"),
        pytest.param(
            {"replicas": 1}, [*ALL, numbered(3)], [], ["web-3"], id="scaling down from the highest number"
        ),
        pytest.param(
            {"replicas": 1, "podManagementPolicy": "Parallel"}, ALL, [], ["web-2", "web-1"], id="all at once"
        ),
        pytest.param(
            {"replicas": 1},
            [numbered(0), numbered(1, ready=False), numbered(2)],
            [],
            ["web-2"],
            id="the highest goes though a lower one is broken",
        ),
        pytest.param(
            {"replicas": 1},
            [numbered(0), numbered(1), numbered(2, ready=False)],
            [],
            ["web-2"],
            id="the only broken one goes",
        ),
        pytest.param(
            {"replicas": 1},
            [numbered(0), numbered(1, ready=False), numbered(2, ready=False)],
            [],
            [],
            id="a broken one waits for a broken one below it",
        ),
    ],
)
def test_numbers_are_made_and_unmade_in_order(
    spec: Json, pods: list[Json], create: Numbers, delete: list[str]
) -> None:
    step = plans.plan_step(owner(**spec), pods, "new", NOW)
    assert (step.create, names(step.delete)) == (create, delete)


OLD = [numbered(n, "old") for n in range(4)]


@pytest.mark.parametrize(
    ("strategy", "pods", "doomed"),
    [
        pytest.param({}, OLD, ["web-3"], id="from the top"),
        pytest.param({"rollingUpdate": {"partition": 4}}, OLD, [], id="not below the partition"),
        pytest.param(
            {"rollingUpdate": {"maxUnavailable": "50%"}}, OLD, ["web-3", "web-2"], id="two at a time"
        ),
        pytest.param({"type": "OnDelete"}, OLD, [], id="only when somebody deletes"),
        pytest.param({}, [*OLD[:3], numbered(3, ready=False)], [], id="not while one is coming up"),
        pytest.param(
            {},
            [OLD[0], numbered(1, "old", ready=False), *OLD[2:]],
            ["web-1"],
            id="a broken one costs nothing",
        ),
    ],
)
def test_updates_keep_enough_available(strategy: Json, pods: list[Json], doomed: list[str]) -> None:
    found = plans.plan_update(owner(4, updateStrategy=strategy), pods, "new", NOW)
    assert names(found) == doomed


def past_of(*numbers: int) -> list[Json]:
    return [{"metadata": {"name": f"r{number}"}, "revision": number} for number in numbers]


def test_history_keeps_what_is_in_use_and_the_youngest_of_the_rest() -> None:
    found = plan_trimming(owner(revisionHistoryLimit=2), past_of(1, 2, 3, 4, 5), {"r1", "r5"})
    assert names(found) == ["r2"]


@pytest.mark.parametrize(
    ("policy", "ordinal", "kinds"),
    [
        ({}, 0, []),
        ({"whenDeleted": "Delete"}, 0, ["StatefulSet"]),
        ({"whenScaled": "Delete"}, 0, []),
        ({"whenScaled": "Delete"}, 9, ["Pod"]),
        ({"whenScaled": "Delete", "whenDeleted": "Delete"}, 9, ["Pod"]),
        ({"whenDeleted": "Delete"}, 9, ["StatefulSet"]),
    ],
)
def test_claims_go_with_whom_the_policy_says(policy: Json, ordinal: int, kinds: list[str]) -> None:
    made = owner(persistentVolumeClaimRetentionPolicy=policy)
    claim: Json = {"metadata": {"name": "data"}}
    found = claims.plan_owners(made, numbered(ordinal), claim)
    assert [reference["kind"] for reference in found] == kinds


def test_pods_below_the_partition_are_made_of_the_revision_they_had() -> None:
    made = owner(updateStrategy={"rollingUpdate": {"partition": 2}})
    made["status"] = {"currentRevision": "old"}
    before = owner(template=objects.template(image="web:0"))
    past = Past(
        [
            {"metadata": {"name": "old"}, "data": data_of(before)},
            {"metadata": {"name": "new"}, "data": data_of(made)},
        ],
        0,
    )
    images = [plans.new_pod(made, number, past)["spec"]["containers"][0]["image"] for number in (1, 2)]
    assert images == ["web:0", "web:1"]


DATA: Json = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


async def is_settled(it: World, name: str = "db", **fields: object) -> bool:
    found = await it.get(STATEFUL_SETS, name)
    status = found.get("status") or {}
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    return seen and all(status.get(field) == value for field, value in fields.items())


async def test_pods_come_up_in_order_with_names_and_claims(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(STATEFUL_SETS, stateful_set(replicas=2, volumeClaimTemplates=[DATA]))
        await it.until(lambda: is_settled(it, replicas=1))
        first = await it.get(PODS, "db-0")
        assert (first["spec"]["hostname"], first["spec"]["subdomain"]) == ("db-0", "db")
        assert first["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "data-db-0"}
        assert first["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "0"
        assert await it.find(PODS, "db-1") is None
        async with it.node():
            await it.until(lambda: is_settled(it, availableReplicas=2, updatedReplicas=2))
        assert names(await it.list(PERSISTENT_VOLUME_CLAIMS)) == ["data-db-0", "data-db-1"]
        await it.until_told("SuccessfulCreate", "Create Pod db-1 in StatefulSet db successful")


async def test_an_update_replaces_every_pod_and_going_back_is_the_old_revision_again(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(STATEFUL_SETS, stateful_set())
        await it.until(lambda: is_settled(it, availableReplicas=3))
        first = (await it.get(STATEFUL_SETS, "db"))["status"]["currentRevision"]
        await it.merge(STATEFUL_SETS, "db", image("web:2"))
        await it.until(lambda: is_settled(it, availableReplicas=3, updatedReplicas=3, currentReplicas=3))
        assert {found["spec"]["containers"][0]["image"] for found in await it.list(PODS)} == {"web:2"}
        await it.merge(STATEFUL_SETS, "db", image("web:1"))
        await it.until(lambda: is_settled(it, updatedReplicas=3, availableReplicas=3, currentRevision=first))
        revisions = await it.list(CONTROLLER_REVISIONS)
        assert sorted(entry["revision"] for entry in revisions) == [2, 3]


async def test_a_partition_keeps_the_lower_pods_as_they_are(tmp_path: Path) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    async with world(tmp_path) as it, it.node():
        await it.create(STATEFUL_SETS, stateful_set(updateStrategy=strategy))
        await it.until(lambda: is_settled(it, availableReplicas=3))
        await it.merge(STATEFUL_SETS, "db", image("web:2"))
        await it.until(lambda: is_settled(it, updatedReplicas=1, currentReplicas=2, availableReplicas=3))
        await it.delete(PODS, "db-0")
        await it.until(lambda: is_settled(it, updatedReplicas=1, currentReplicas=2, availableReplicas=3))
        images = [found["spec"]["containers"][0]["image"] for found in await it.list(PODS)]
        assert images == ["web:1", "web:1", "web:2"]


async def test_claims_of_spare_pods_go_only_if_asked_to(tmp_path: Path) -> None:
    policy = {"whenDeleted": "Retain", "whenScaled": "Delete"}
    made = stateful_set(volumeClaimTemplates=[DATA], persistentVolumeClaimRetentionPolicy=policy)
    async with world(tmp_path) as it, it.node():
        await it.create(STATEFUL_SETS, made)
        await it.until(lambda: is_settled(it, availableReplicas=3))
        await it.merge(STATEFUL_SETS, "db", {"spec": {"replicas": 1}})
        await it.until_gone(PERSISTENT_VOLUME_CLAIMS, "data-db-1")
        await it.merge(STATEFUL_SETS, "db", {"spec": {"replicas": 3}})
        await it.until(lambda: is_settled(it, availableReplicas=3))
        await it.delete(STATEFUL_SETS, "db", "Foreground")
        await it.until_gone(STATEFUL_SETS, "db")
        assert len(await it.list(PERSISTENT_VOLUME_CLAIMS)) == 3


async def test_pods_left_behind_are_taken_over_by_name(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(STATEFUL_SETS, stateful_set(replicas=2))
        await it.until(lambda: is_settled(it, availableReplicas=2))
        before = {found["metadata"]["uid"] for found in await it.list(PODS)}
        await it.delete(STATEFUL_SETS, "db", "Orphan")
        await it.until_gone(STATEFUL_SETS, "db")
        made = await it.create(STATEFUL_SETS, stateful_set(replicas=2))
        await it.until(lambda: is_settled(it, availableReplicas=2))
        pods = await it.list(PODS)
        assert {found["metadata"]["uid"] for found in pods} == before
        assert all(meta.is_controlled_by(found, made) for found in pods)


async def test_a_kill_anywhere_in_an_update_is_made_good(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(STATEFUL_SETS, stateful_set())
        await it.until(lambda: is_settled(it, availableReplicas=3))
        await it.merge(STATEFUL_SETS, "db", image("web:2"))
        await it.until(lambda: is_settled(it, updatedReplicas=1))
    async with world(tmp_path) as it, it.node():
        await it.until(lambda: is_settled(it, updatedReplicas=3, availableReplicas=3, currentReplicas=3))
        assert len(await it.list(CONTROLLER_REVISIONS)) == 2


async def test_a_pod_counts_only_after_it_has_been_ready_for_long_enough(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it, it.node():
        await it.create(STATEFUL_SETS, stateful_set(replicas=2, minReadySeconds=30))
        await it.until(lambda: is_settled(it, readyReplicas=1, availableReplicas=0, replicas=1))
        await clock.advance(31)
        await it.until(lambda: is_settled(it, readyReplicas=2, availableReplicas=1))
