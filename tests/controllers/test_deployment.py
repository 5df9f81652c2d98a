from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.controllers.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from kube_lite.controllers.revisions import REVISION, revision_of
from kube_lite.controllers.rollback import DONE, NOT_FOUND, ROLLBACK_TO, UNCHANGED

from .harness import World, deployment, image, world


async def is_rolled_out(it: World, name: str = "web") -> bool:
    """As ``kubectl rollout status`` decides."""
    found = await it.get(DEPLOYMENTS, name)
    status, wanted = found.get("status") or {}, found["spec"]["replicas"]
    return bool(
        status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


async def rolled_out(it: World, name: str = "web") -> Json:
    await it.until(lambda: is_rolled_out(it, name))
    return await it.get(DEPLOYMENTS, name)


async def sets(it: World) -> dict[int, Json]:
    return {revision_of(owned): owned for owned in await it.list(REPLICA_SETS)}


def reason(found: Json, type_: str = "Progressing") -> str:
    entry = meta.condition(found, type_)
    return str((entry or {}).get("reason", ""))


async def test_a_deployment_comes_up_and_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(DEPLOYMENTS, deployment(replicas=3))
        found = await rolled_out(it)
        assert found["metadata"]["annotations"][REVISION] == "1"

        async def has_arrived() -> bool:
            return reason(await it.get(DEPLOYMENTS, "web")) == "NewReplicaSetAvailable"

        await it.until(has_arrived)
        assert reason(await it.get(DEPLOYMENTS, "web"), "Available") == "MinimumReplicasAvailable"
        [owned] = await it.list(REPLICA_SETS)
        assert await it.messages("ScalingReplicaSet") == [
            f"Scaled up replica set {owned['metadata']['name']} from 0 to 3"
        ]
        assert len(await it.messages("SuccessfulCreate")) == 3


async def test_without_a_node_the_rollout_is_told_as_unfinished(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(DEPLOYMENTS, deployment())

        async def has_pods() -> bool:
            return bool(((await it.get(DEPLOYMENTS, "web")).get("status") or {}).get("replicas") == 2)

        await it.until(has_pods)

        async def is_settled() -> bool:
            return reason(await it.get(DEPLOYMENTS, "web")) == "ReplicaSetUpdated"

        await it.until(is_settled)
        found = await it.get(DEPLOYMENTS, "web")
        assert found["status"]["unavailableReplicas"] == 2
        assert found["status"]["terminatingReplicas"] == 0
        assert reason(found, "Available") == "MinimumReplicasUnavailable"
        assert [entry["type"] for entry in found["status"]["conditions"]] == ["Available", "Progressing"]


async def test_a_rolling_update_never_has_too_many_or_too_few(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        await it.create(DEPLOYMENTS, deployment(replicas=4, strategy=rolling))
        await rolled_out(it)
        await it.merge(DEPLOYMENTS, "web", image("web:2"))
        seen = []

        async def watch_counts() -> bool:
            pods = await it.list(PODS)
            ready = [
                pod for pod in pods if meta.is_condition_true(pod, "Ready") and not meta.is_being_deleted(pod)
            ]
            seen.append((len(ready), len([pod for pod in pods if not meta.is_being_deleted(pod)])))
            return await is_rolled_out(it)

        await it.until(watch_counts)
        assert min(ready for ready, _ in seen) >= 4
        assert max(total for _, total in seen) <= 5
        found = await sets(it)
        assert {number: owned["spec"]["replicas"] for number, owned in found.items()} == {1: 0, 2: 4}


async def test_undoing_makes_the_old_replica_set_the_newest(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(DEPLOYMENTS, deployment())
        await rolled_out(it)
        first = (await sets(it))[1]["metadata"]["name"]
        await it.merge(DEPLOYMENTS, "web", image("web:2"))
        await rolled_out(it)
        await it.merge(DEPLOYMENTS, "web", image("web:1"))
        await rolled_out(it)

        async def is_third() -> bool:
            return 3 in await sets(it)

        await it.until(is_third)
        found = await sets(it)
        assert sorted(found) == [2, 3]
        assert found[3]["metadata"]["name"] == first
        assert found[3]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"

        async def is_noted() -> bool:
            return revision_of(await it.get(DEPLOYMENTS, "web")) == 3

        await it.until(is_noted)


async def test_history_is_kept_as_long_as_asked(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(DEPLOYMENTS, deployment(replicas=1, revisionHistoryLimit=1))
        for number in (2, 3, 4):
            await rolled_out(it)
            await it.merge(DEPLOYMENTS, "web", image(f"web:{number}"))

        async def is_cut() -> bool:
            return sorted(await sets(it)) == [3, 4]

        await it.until(is_cut)


async def test_a_paused_deployment_is_resized_but_not_rolled(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(DEPLOYMENTS, deployment())
        await rolled_out(it)
        await it.merge(DEPLOYMENTS, "web", {"spec": {"paused": True}})
        await it.merge(DEPLOYMENTS, "web", image("web:2"))
        await it.merge(DEPLOYMENTS, "web", {"spec": {"replicas": 3}})

        async def is_resized() -> bool:
            found = await it.get(DEPLOYMENTS, "web")
            return found["status"].get("availableReplicas") == 3 and reason(found) == "DeploymentPaused"

        await it.until(is_resized)
        assert len(await it.list(REPLICA_SETS)) == 1
        await it.merge(DEPLOYMENTS, "web", {"spec": {"paused": False}})
        await rolled_out(it)
        assert len(await it.list(REPLICA_SETS)) == 2


@pytest.mark.parametrize(
    ("wish", "image_after", "message"),
    [
        ("1", "web:1", 'Rolled back deployment "web" to revision 1'),
        ("0", "web:1", 'Rolled back deployment "web" to revision 1'),
        ("2", "web:2", 'The rollback revision contains the same template as current deployment "web"'),
        ("7", "web:2", "Unable to find the revision to rollback to."),
    ],
)
async def test_a_wish_of_clients_of_old_to_roll_back_is_fulfilled_once(
    tmp_path: Path, wish: str, image_after: str, message: str
) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(DEPLOYMENTS, deployment())
        await rolled_out(it)
        await it.merge(DEPLOYMENTS, "web", image("web:2"))
        await rolled_out(it)
        await it.merge(DEPLOYMENTS, "web", {"metadata": {"annotations": {ROLLBACK_TO: wish}}})

        async def has_no_wish() -> bool:
            return ROLLBACK_TO not in meta.annotations_of(await it.get(DEPLOYMENTS, "web"))

        await it.until(has_no_wish)
        found = await rolled_out(it)
        assert found["spec"]["template"]["spec"]["containers"][0]["image"] == image_after

        async def is_told() -> bool:
            reasons = (DONE, UNCHANGED, NOT_FOUND)
            return [message] == [text for reason in reasons for text in await it.messages(reason)]

        await it.until(is_told)


async def test_recreate_ends_the_old_before_it_starts_the_new(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
        await rolled_out(it)
        await it.merge(DEPLOYMENTS, "web", image("web:2"))
        together = []

        async def watch_images() -> bool:
            images = {pod["spec"]["containers"][0]["image"] for pod in await it.list(PODS)}
            together.append(len(images) > 1)
            return images == {"web:2"} and await is_rolled_out(it)

        await it.until(watch_images)
        assert not any(together)


async def test_a_replica_set_that_nobody_owns_is_adopted_as_a_revision(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        orphan = deployment(replicas=1)
        await it.create(
            REPLICA_SETS,
            {**orphan, "kind": "ReplicaSet", "metadata": {"name": "old", "labels": {"app": "web"}}},
        )
        await it.create(DEPLOYMENTS, deployment(replicas=1))
        found = await rolled_out(it)
        [owned] = await it.list(REPLICA_SETS)
        assert owned["metadata"]["name"] == "old"
        assert meta.is_controlled_by(owned, found)


async def test_a_crash_in_the_middle_of_a_rollout_is_survived(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(DEPLOYMENTS, deployment(replicas=3))
        await rolled_out(it)
    async with world(tmp_path, only=()) as it:
        await it.merge(DEPLOYMENTS, "web", image("web:2"))
    async with world(tmp_path, only=("deployments",)) as it:

        async def has_begun() -> bool:
            return len(await it.list(REPLICA_SETS)) == 2

        await it.until(has_begun)
    async with world(tmp_path) as it, it.node():
        await rolled_out(it)
        assert {number: owned["spec"]["replicas"] for number, owned in (await sets(it)).items()} == {
            1: 0,
            2: 3,
        }
