from collections.abc import Mapping
from pathlib import Path

import pytest

from kube_lite.agent.fleet import ANNOTATION
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json
from kube_lite.api.storage import CONTROLLER_ATTACHES
from kube_lite.api.times import format_time
from kube_lite.client.protocol import PatchType
from kube_lite.controllers.attachment_plan import (
    FORCE_SECONDS,
    Volume,
    Wanted,
    blocked_words,
    plan_node,
    plan_object,
    volume_of,
    wants_volumes,
)
from kube_lite.controllers.attachments import ATTACHMENTS, DRIVERS
from kube_lite.controllers.resources import NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS
from kube_lite.kit.clock import ManualClock
from tests.agent.test_fleet import playing

from .harness import World, world
from .kills import nothing, survive
from .test_volume_binding import claim, volume

DISK = Volume("v", "disk.example", "h", "kubernetes.io/csi/disk.example^h", is_shared=False)
NAME = DISK.attachment_on("n")
POD: Json = {"metadata": {"name": "p", "namespace": "x"}, "spec": {"nodeName": "n"}}
PARTS = ["attachdetach", "claim-binding", "volume-phases", "serviceaccounts"]


def test_an_attachment_is_called_as_csi_drivers_expect() -> None:
    # sha256 of handle, driver and node, one after the other
    assert NAME == "csi-6bc8a956942b452ccb02664d037d3be95efc52acb1e4d09a4993887c995b4b0b"


@pytest.mark.parametrize(
    ("spec", "driver", "is_one"),
    [
        pytest.param({"hostPath": {"path": "/"}}, None, False, id="a directory"),
        pytest.param({"csi": {"driver": "d", "volumeHandle": "h"}}, None, True, id="of a driver to come"),
        pytest.param(
            {"csi": {"driver": "d", "volumeHandle": "h"}},
            {"spec": {"attachRequired": True}},
            True,
            id="wanted",
        ),
        pytest.param(
            {"csi": {"driver": "d", "volumeHandle": "h"}},
            {"spec": {"attachRequired": False}},
            False,
            id="not",
        ),
    ],
)
def test_which_volumes_are_attached(spec: Json, driver: Json | None, is_one: bool) -> None:
    assert (volume_of({"metadata": {"name": "v"}, "spec": spec}, driver) is not None) == is_one


@pytest.mark.parametrize(
    ("modes", "is_shared"),
    [
        ([], True),
        (["ReadWriteOnce"], False),
        (["ReadWriteOncePod"], False),
        (["ReadWriteOnce", "ReadOnlyMany"], True),
    ],
)
def test_which_volumes_several_nodes_may_have(modes: list[str], is_shared: bool) -> None:
    spec = {"csi": {"driver": "d", "volumeHandle": "h"}, "accessModes": modes}
    found = volume_of({"metadata": {"name": "v"}, "spec": spec}, None)
    assert found is not None
    assert found.is_shared == is_shared


@pytest.mark.parametrize(
    ("pod", "wants"),
    [
        pytest.param({"spec": {}}, False, id="nowhere yet"),
        pytest.param(POD, True, id="on its way"),
        pytest.param({**POD, "status": {"phase": "Succeeded"}}, False, id="ended"),
        pytest.param(
            {**POD, "metadata": {"deletionTimestamp": "x"}, "status": {
                "phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}}, True, id="ending",
        ),
        pytest.param(
            {**POD, "metadata": {"deletionTimestamp": "x"}, "status": {
                "phase": "Running", "containerStatuses": [{"state": {"terminated": {}}}]}}, False, id="over",
        ),
    ],
)  # fmt: skip
def test_which_pods_need_their_volumes(pod: Json, wants: bool) -> None:
    assert wants_volumes({"metadata": {}, **pod}) == wants


def node(*, attached: bool = False, in_use: bool = False, ready: bool = True) -> Json:
    return {
        "metadata": {"name": "n"},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "volumesAttached": [{"name": DISK.unique, "devicePath": ""}] if attached else [],
            "volumesInUse": [DISK.unique] if in_use else [],
        },
    }


def attachment(*, attached: bool = True, going: bool = False) -> Json:
    made = plan_object(DISK, "n")
    if going:
        made["metadata"]["deletionTimestamp"] = "x"
    return {**made, "status": {"attached": attached}}


@pytest.mark.parametrize(
    ("found", "is_wanted", "there", "others", "unwanted", "steps"),
    [
        pytest.param(node(), True, None, [], 0, {"attach"}, id="missing"),
        pytest.param(node(), True, None, ["m"], 0, {"blocked"}, id="another has it"),
        pytest.param(None, True, None, [], 0, set(), id="no node"),
        pytest.param(node(), True, attachment(attached=False), [], 0, set(), id="under way"),
        pytest.param(node(), True, attachment(), [], 0, {"report", "arrived"}, id="attached"),
        pytest.param(node(attached=True), True, attachment(), [], 0, set(), id="reported"),
        pytest.param(node(attached=True), False, attachment(), [], 0, {"report", "detach"}, id="unwanted"),
        pytest.param(node(attached=True, in_use=True), False, attachment(), [], 999, set(), id="in use"),
        pytest.param(
            node(attached=True, in_use=True, ready=False), False, attachment(), [], 9, {"wait"}, id="lost"
        ),
        pytest.param(
            node(attached=True, in_use=True, ready=False), False, attachment(), [], FORCE_SECONDS,
            {"report", "detach"}, id="for too long",
        ),
        pytest.param(None, False, attachment(), [], 0, {"detach"}, id="its node is gone"),
        pytest.param(node(attached=True), True, attachment(going=True), [], 0, {"report"}, id="going"),
    ],
)  # fmt: skip
def test_what_is_done_for_a_node(
    found: Json | None,
    is_wanted: bool,
    there: Json | None,
    others: list[str],
    unwanted: float,
    steps: set[str],
) -> None:
    wanted = {NAME: Wanted(DISK, [POD])} if is_wanted else {}
    ours = {NAME: (there, DISK)} if there is not None else {}
    plan = plan_node("n", found, wanted, ours, {DISK.name: others}, {NAME: unwanted})
    planned = {
        "attach": plan.attach, "blocked": plan.blocked, "detach": plan.detach, "wait": plan.waits is not None,
        "report": plan.reported is not None, "arrived": plan.arrived,
    }  # fmt: skip
    assert {name for name, value in planned.items() if value} == steps


@pytest.mark.parametrize(
    ("others", "words"),
    [
        pytest.param({}, "exclusively attached to one node and can't be attached to another", id="nobody's"),
        pytest.param({"a": "x", "b": "x"}, "used by pod(s) a, b", id="neighbours"),
        pytest.param({"a": "y"}, "used by 1 pod(s) in different namespaces", id="a stranger"),
        pytest.param(
            {"a": "x", "b": "y"}, "used by pod(s) a and 1 pod(s) in different namespaces", id="both"
        ),
    ],
)
def test_who_has_a_volume_is_told(others: Mapping[str, str], words: str) -> None:
    pods = [{"metadata": {"name": name, "namespace": namespace}} for name, namespace in others.items()]
    assert blocked_words(DISK, POD, pods) == f'Multi-Attach error for volume "v" Volume is already {words}'


async def begin(it: World, *nodes: str) -> None:
    """Nodes that are played, a volume of a CSI driver, and a claim that has it."""
    for name in nodes:
        annotations = {ANNOTATION: "true", CONTROLLER_ATTACHES: "true"}
        await it.create(NODES, {"metadata": {"name": name, "annotations": annotations}}, "")
    await it.create(DRIVERS, {"metadata": {"name": DISK.driver}, "spec": {}}, "")
    made = volume("v", csi={"driver": DISK.driver, "volumeHandle": DISK.handle})
    del made["spec"]["hostPath"]
    await it.create(PERSISTENT_VOLUMES, made, "")
    await it.create(PERSISTENT_VOLUME_CLAIMS, {**claim(), "metadata": {"name": "data"}})
    await it.until_account()

    async def is_bound() -> bool:
        found = await it.get(PERSISTENT_VOLUME_CLAIMS, "data")
        return (found.get("status") or {}).get("phase") == "Bound"

    await it.until(is_bound)


async def use(it: World, name: str, node: str) -> None:
    """A Pod that uses the claim."""
    mounted = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}], "volumes": [mounted]}
    await it.create(PODS, {"metadata": {"name": name}, "spec": spec})


async def answer(it: World, node: str, status: Json) -> None:
    """Do what an external attacher does."""
    name = DISK.attachment_on(node)
    await it.client.patch(
        ATTACHMENTS, name, {"status": status}, subresource="status", patch_type=PatchType.MERGE
    )


async def is_there(it: World, node: str) -> bool:
    try:
        await it.get(ATTACHMENTS, DISK.attachment_on(node), "")
    except NotFound:
        return False
    return True


async def test_a_pod_runs_when_its_volume_is_attached_and_the_next_when_it_is_free(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=PARTS) as it, playing(it):
        await begin(it, "one", "two")

        async def phase(name: str) -> str:
            return str((await it.get(PODS, name))["status"]["phase"])

        await use(it, "first", "one")
        await clock.advance(130)
        assert (await it.get(ATTACHMENTS, DISK.attachment_on("one"), ""))["spec"] == {
            "attacher": DISK.driver, "nodeName": "one", "source": {"persistentVolumeName": "v"},
        }  # fmt: skip
        assert await phase("first") == "Pending"
        failed = 'AttachVolume.Attach failed for volume "v" : '
        late = "timed out waiting for external-attacher of disk.example CSI driver to attach volume h"
        await answer(
            it,
            "one",
            {"attachError": {"message": "no disk", "time": format_time(clock.now())}, "attached": False},
        )
        await clock.advance(1)
        assert await it.messages("FailedAttachVolume") == [failed + late, failed + "no disk"]

        await answer(it, "one", {"attachError": None, "attached": True})
        await clock.advance(10)
        assert await phase("first") == "Running"
        assert await it.messages("SuccessfulAttachVolume") == [
            'AttachVolume.Attach succeeded for volume "v" '
        ]
        status = (await it.get(NODES, "one", ""))["status"]
        assert status["volumesAttached"] == [{"name": DISK.unique, "devicePath": ""}]

        await use(it, "second", "two")
        await clock.advance(10)
        assert not await is_there(it, "two")
        words = 'Multi-Attach error for volume "v" Volume is already used by pod(s) first'
        assert words in await it.messages("FailedAttachVolume")
        await it.client.delete(PODS, "first", namespace="default", grace_seconds=0)
        await clock.advance(10)
        assert not await is_there(it, "one")
        assert not (await it.get(NODES, "one", ""))["status"].get("volumesAttached")
        await answer(it, "two", {"attached": True})
        await clock.advance(10)
        assert await phase("second") == "Running"


async def test_an_attachment_that_somebody_else_has_made_is_let_be(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=PARTS) as it:
        await begin(it, "one")
        theirs = plan_object(DISK, "one")
        theirs["metadata"]["name"] = "theirs"
        await it.create(ATTACHMENTS, theirs, "")
        await clock.advance(600)
        assert await it.find(ATTACHMENTS, "theirs", "") is not None


async def test_a_volume_is_attached_once_and_taken_off_once(tmp_path: Path) -> None:
    async with world(tmp_path, only=PARTS) as it:
        await begin(it, "one")
        await use(it, "p", "one")

    async def is_told(it: World) -> bool:
        if await is_there(it, "one"):
            await answer(it, "one", {"attached": True})
        return bool((await it.get(NODES, "one", ""))["status"].get("volumesAttached"))

    async def is_off(it: World) -> bool:
        told = (await it.get(NODES, "one", ""))["status"].get("volumesAttached")
        return not told and not await is_there(it, "one")

    await survive(tmp_path, nothing, is_told, only=["attachdetach"], writes=1)
    async with world(tmp_path, only=[]) as it:
        assert len(await it.list(ATTACHMENTS, "")) == 1
        await it.client.delete(PODS, "p", namespace="default", grace_seconds=0)
    await survive(tmp_path, nothing, is_off, only=["attachdetach"], writes=1)
