"""The whole loop: a real pipeline and store, the fake driver, a clock moved by hand."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from kube_lite_runtime.fake import FakeDriver, Reply, Script

from kube_lite.agent.cleanup import LOOK_SECONDS, MAX_LOG_BYTES
from kube_lite.agent.resources import LEASES, NODES, PODS
from kube_lite.kit.clock import ManualClock

from .world import NODE, World, agent_on, condition, container, is_ready, state, whole, world_in

BOX = {"name": "c", "image": "busybox:1.37"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def driver(clock: ManualClock) -> FakeDriver:
    return FakeDriver(clock)


@pytest_asyncio.fixture
async def world(tmp_path: Path, driver: FakeDriver, clock: ManualClock) -> AsyncIterator[World]:
    async with whole(tmp_path, driver, clock) as entered:
        yield entered


async def test_a_bound_pod_runs_and_says_so(world: World) -> None:
    await world.create({"containers": [BOX]})
    pod = await world.until_ready()
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["podIP"] == "10.200.0.2"
    assert pod["status"]["hostIP"] == "192.0.2.1"
    assert container(pod)["started"] is True
    assert "reason" not in condition(pod, "Ready")


async def test_events_tell_how_a_container_came_to_run(world: World) -> None:
    await world.create({"containers": [BOX]})
    await world.until_event("Started")
    present = 'Container image "busybox:1.37" already present on machine and can be accessed by the pod'
    assert await world.events() == [
        f"Pulled: {present}",
        "Created: Container created",
        "Started: Container started",
    ]


async def test_the_status_is_written_no_more_often_than_it_changes(world: World) -> None:
    await world.create({"containers": [BOX]})
    ready = await world.until_ready()
    await world.create({"containers": [BOX]}, name="later")
    await world.until_ready("later")
    assert (await world.get())["metadata"]["resourceVersion"] == ready["metadata"]["resourceVersion"]


async def test_a_deleted_pod_ends_gracefully_and_is_gone(world: World, driver: FakeDriver) -> None:
    await world.create({"containers": [BOX], "terminationGracePeriodSeconds": 5})
    await world.until_ready()
    await world.delete()
    await world.until_gone()
    assert "stop c/0 5" in driver.calls
    assert await driver.list_sandboxes() == []
    assert await world.until_event("Killing") == "Stopping container c"


async def test_a_stubborn_container_is_killed_when_its_grace_is_over(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    driver.script("c", Script(ignores_stop_signal=True))
    await world.create({"containers": [BOX], "terminationGracePeriodSeconds": 30})
    await world.until_ready()
    await world.delete()
    await world.until_true(lambda: any(call.startswith("stop") for call in driver.calls))
    await clock.advance(29)
    assert (await world.get())["metadata"]["deletionTimestamp"]
    await clock.advance(2)
    await world.until_gone()


async def test_a_grace_that_is_shortened_meanwhile_counts_from_then(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    driver.script("c", Script(ignores_stop_signal=True))
    await world.create({"containers": [BOX]})
    await world.until_ready()
    await world.delete(grace_seconds=600)
    await world.until_true(lambda: "stop c/0 600" in driver.calls)
    await world.delete(grace_seconds=2)
    await world.until_true(lambda: "stop c/0 2" in driver.calls)
    await clock.advance(3)
    await world.until_gone()


async def test_a_forced_deletion_ends_the_containers_too(world: World, driver: FakeDriver) -> None:
    await world.create({"containers": [BOX]})
    await world.until_ready()
    await world.delete(grace_seconds=0)
    async with asyncio.timeout(5):
        while await driver.list_sandboxes():
            await asyncio.sleep(0.001)


async def test_a_crashing_container_waits_longer_and_longer(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    driver.script("c", Script(exit_after=1, exit_codes=(3,)))
    await world.create({"containers": [BOX]})
    await world.until(lambda pod: "running" in state(pod))
    await clock.advance(1)
    await world.until(lambda pod: container(pod)["restartCount"] == 1)
    await clock.advance(1)
    pod = await world.until(lambda pod: state(pod).get("waiting", {}).get("reason") == "CrashLoopBackOff")
    assert state(pod)["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=c pod=web_default("
    )
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 3
    assert pod["status"]["phase"] == "Running"
    assert (await world.until_event("BackOff")).startswith(
        "Back-off restarting failed container c in pod web_"
    )
    await clock.advance(9)
    assert container(await world.get())["restartCount"] == 1
    await clock.advance(2)
    await world.until(lambda pod: container(pod)["restartCount"] == 2)


@pytest.mark.parametrize(
    ("policy", "code", "phase", "reason"),
    [
        pytest.param("Never", 0, "Succeeded", "Completed", id="success"),
        pytest.param("Never", 42, "Failed", "Error", id="failure"),
        pytest.param("OnFailure", 0, "Succeeded", "Completed", id="success needs no restart"),
    ],
)
async def test_a_pod_whose_containers_have_ended_for_good_has_ended(
    world: World, driver: FakeDriver, clock: ManualClock, policy: str, code: int, phase: str, reason: str
) -> None:
    driver.script("c", Script(exit_after=1, exit_codes=(code,)))
    await world.create({"containers": [BOX], "restartPolicy": policy})
    await world.until(lambda pod: "running" in state(pod))
    await clock.advance(1)
    pod = await world.until(lambda pod: pod["status"]["phase"] == phase)
    assert (state(pod)["terminated"]["exitCode"], state(pod)["terminated"]["reason"]) == (code, reason)
    assert condition(pod, "Ready")["reason"] == ("PodCompleted" if code == 0 else "PodFailed")


async def test_init_containers_run_one_after_the_other_before_the_rest(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    for name in ("one", "two"):
        driver.script(name, Script(exit_after=1))
    inits = [{"name": name, "image": "busybox:1.37"} for name in ("one", "two")]
    await world.create({"initContainers": inits, "containers": [BOX]})
    pod = await world.until(lambda pod: "running" in state(pod, "one"))
    assert condition(pod, "Initialized")["message"] == "containers with incomplete status: [one two]"
    assert state(pod)["waiting"] == {"reason": "PodInitializing"}
    assert pod["status"]["phase"] == "Pending"
    await clock.advance(1)
    await world.until(lambda pod: "running" in state(pod, "two"))
    await clock.advance(1)
    await world.until_ready()
    assert [call for call in driver.calls if call.startswith("start")] == [
        "start web/one/0",
        "start web/two/0",
        "start web/c/0",
    ]


async def test_a_sidecar_outlives_the_main_container_and_then_ends(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    driver.script("c", Script(exit_after=1))
    sidecar = {"name": "s", "image": "busybox:1.37", "restartPolicy": "Always"}
    await world.create({"initContainers": [sidecar], "containers": [BOX], "restartPolicy": "Never"})
    await world.until_ready()
    await clock.advance(1)
    pod = await world.until(lambda pod: pod["status"]["phase"] == "Succeeded")
    assert state(pod, "s")["terminated"]["exitCode"] == 143


async def test_readiness_follows_its_probe_and_its_failures_are_told(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    answers = [Reply(1, stderr=b"cat: no such file\n")]
    driver.script("c", Script(exec=lambda command: answers[-1]))
    probe = {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1}
    await world.create({"containers": [{**BOX, "readinessProbe": probe}]})
    pod = await world.until(lambda pod: "running" in state(pod))
    assert condition(pod, "Ready")["message"] == "containers with unready status: [c]"
    assert await world.until_event("Unhealthy") == "Readiness probe failed: cat: no such file"
    answers.append(Reply(0))
    await clock.advance(1)
    await world.until_ready()
    answers.append(Reply(1))
    for _ in range(3):
        await clock.advance(1)
    await world.until(lambda pod: condition(pod, "Ready")["status"] == "False")


async def test_a_server_that_listens_soon_is_ready_long_before_the_next_period(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    listening = [False]
    driver.script("c", Script(listens=lambda: listening[-1]))
    probe = {"tcpSocket": {"port": 80}, "periodSeconds": 60}
    await world.create({"containers": [{**BOX, "readinessProbe": probe}]})
    await world.until(lambda pod: "running" in state(pod))
    told = await world.until_event("Unhealthy", ticks=0.1)
    assert told == "Readiness probe failed: nothing listens"
    listening.append(True)
    before = clock.monotonic()
    await world.until(is_ready, ticks=0.01)
    assert clock.monotonic() - before < 60


async def test_a_server_that_takes_a_moment_to_listen_has_not_failed(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    listening = [False]
    driver.script("c", Script(listens=lambda: listening[-1]))
    probe = {"tcpSocket": {"port": 80}}
    await world.create({"containers": [{**BOX, "readinessProbe": probe, "livenessProbe": probe}]})
    await world.until(lambda pod: "running" in state(pod))
    await clock.advance(0.05)
    listening.append(True)
    await clock.advance(0.2)
    await world.until_ready()
    assert await world.events("Unhealthy") == []


async def test_a_container_that_fails_its_liveness_probe_is_started_anew(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    alive = [True]
    driver.script("c", Script(listens=lambda: alive[-1]))
    probe = {"httpGet": {"port": 80}, "periodSeconds": 10, "failureThreshold": 2}
    await world.create({"containers": [{**BOX, "livenessProbe": probe}]})
    await world.until_ready()
    alive.append(False)
    await clock.advance(10)
    await clock.advance(10)
    pod = await world.until(lambda pod: container(pod)["restartCount"] == 1)
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 143
    assert await world.until_event("Killing") == "Container c failed liveness probe, will be restarted"


async def test_nothing_else_is_probed_before_the_startup_probe_has_succeeded(
    world: World, driver: FakeDriver, clock: ManualClock
) -> None:
    started = [False]
    driver.script("c", Script(exec=lambda command: Reply(0 if started[-1] or command == ["r"] else 1)))
    startup = {"exec": {"command": ["s"]}, "periodSeconds": 1, "failureThreshold": 30}
    readiness = {"exec": {"command": ["r"]}, "periodSeconds": 1}
    await world.create({"containers": [{**BOX, "startupProbe": startup, "readinessProbe": readiness}]})
    pod = await world.until(lambda pod: "running" in state(pod))
    await clock.advance(5)
    pod = await world.get()
    assert (container(pod)["started"], container(pod)["ready"]) == (False, False)
    started.append(True)
    await clock.advance(1)
    await world.until_ready()


async def test_a_missing_config_map_holds_a_container_until_it_is_there(world: World) -> None:
    source = {"configMapKeyRef": {"name": "later", "key": "k"}}
    await world.create({"containers": [{**BOX, "env": [{"name": "A", "valueFrom": source}]}]})
    pod = await world.until(lambda pod: state(pod).get("waiting", {}).get("message"))
    assert state(pod)["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "later" not found',
    }
    await world.config_map("later", k="v")
    await world.until_ready()


async def test_files_follow_a_config_map_that_changes(world: World) -> None:
    await world.config_map("conf", colour="blue")
    await world.create({"containers": [BOX], "volumes": [{"name": "v", "configMap": {"name": "conf"}}]})
    pod = await world.until_ready()
    file = world.directory / "node" / "pods" / pod["metadata"]["uid"] / "volumes" / "v" / "colour"
    assert file.read_text() == "blue"
    await world.config_map("conf", colour="red")
    await world.until_true(lambda: file.read_text() == "red")


async def test_a_pod_gets_a_token_of_its_account(world: World) -> None:
    sources = [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]
    await world.create({"containers": [BOX], "volumes": [{"name": "v", "projected": {"sources": sources}}]})
    pod = await world.until_ready()
    file = world.directory / "node" / "pods" / pod["metadata"]["uid"] / "volumes" / "v" / "token"
    assert file.read_text().count(".") == 2
    await world.delete(grace_seconds=1)
    await world.until_gone()
    assert not file.exists()


async def test_a_volume_that_cannot_be_made_is_told_and_tried_again(world: World, clock: ManualClock) -> None:
    volumes = [{"name": "v", "secret": {"secretName": "none"}}]
    await world.create({"containers": [BOX], "volumes": volumes})
    told = await world.until_event("FailedMount")
    assert told == 'MountVolume.SetUp failed for volume "v" : secret "none" not found'
    assert state(await world.get())["waiting"] == {"reason": "ContainerCreating"}


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [
        pytest.param("Bad:Image:Name", "IfNotPresent", "InvalidImageName", id="no name of an image"),
        pytest.param("absent:1", "Never", "ErrImageNeverPull", id="absent and never pulled"),
        pytest.param("absent:1", "IfNotPresent", "ErrImagePull", id="not found anywhere"),
    ],
)
async def test_a_container_without_an_image_says_why_it_waits(
    tmp_path: Path, clock: ManualClock, image: str, policy: str, reason: str
) -> None:
    driver = FakeDriver(clock, images=(), pullable=())
    async with whole(tmp_path, driver, clock) as world:
        await world.create({"containers": [{**BOX, "image": image, "imagePullPolicy": policy}]})
        await world.until(lambda pod: state(pod).get("waiting", {}).get("reason") == reason)


async def test_a_failed_pull_backs_off_and_is_tried_again(tmp_path: Path, clock: ManualClock) -> None:
    driver = FakeDriver(clock, images=(), pullable=[])
    async with whole(tmp_path, driver, clock) as world:
        await world.create({"containers": [{**BOX, "image": "absent:1"}]})
        await world.until(lambda pod: state(pod).get("waiting", {}).get("reason") == "ErrImagePull")
        await clock.advance(4)
        await world.until(lambda pod: state(pod).get("waiting", {}).get("reason") == "ImagePullBackOff")
        await clock.advance(7)
        await world.until_true(lambda: driver.calls.count("pull absent:1") == 2)


async def test_a_command_that_does_not_exist_is_a_start_error(world: World, driver: FakeDriver) -> None:
    driver.script("c", Script(start_error='exec: "/no/such/thing": no such file or directory'))
    await world.create({"containers": [BOX], "restartPolicy": "Never"})
    pod = await world.until(lambda pod: "terminated" in state(pod))
    assert state(pod)["terminated"]["reason"] == "StartError"
    assert state(pod)["terminated"]["exitCode"] == 128
    await world.until(lambda pod: pod["status"]["phase"] == "Failed")


async def test_a_pod_may_be_active_only_so_long(world: World, clock: ManualClock) -> None:
    await world.create({"containers": [BOX], "activeDeadlineSeconds": 3, "restartPolicy": "Never"})
    await world.until_ready()
    await clock.advance(4)
    pod = await world.until(lambda pod: pod["status"]["phase"] == "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


async def test_a_hook_runs_before_the_container_is_stopped(world: World, driver: FakeDriver) -> None:
    heard: list[str] = []

    def answer(command: object) -> Reply:
        heard.append(f"{command} before {sum(call.startswith('stop') for call in driver.calls)} stops")
        return Reply()

    driver.script("c", Script(exec=answer))
    hook = {"preStop": {"exec": {"command": ["bye"]}}, "postStart": {"exec": {"command": ["hello"]}}}
    await world.create({"containers": [{**BOX, "lifecycle": hook}]})
    await world.until_ready()
    await world.delete(grace_seconds=5)
    await world.until_gone()
    assert heard == ["['hello'] before 0 stops", "['bye'] before 0 stops"]


async def test_a_new_agent_takes_over_what_runs_without_starting_it_anew(
    tmp_path: Path, driver: FakeDriver, clock: ManualClock
) -> None:
    async with world_in(tmp_path, clock) as world:
        async with agent_on(world, driver):
            await world.create({"containers": [BOX]})
            before = await world.until_ready()
        async with agent_on(world, driver):
            await world.create({"containers": [BOX]}, name="other")
            await world.until_ready("other")
            after = await world.get()
    assert container(after) == container(before)
    assert driver.calls.count("start web/c/0") == 1
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_pod_deleted_while_no_agent_ran_is_cleaned_up_by_the_next(
    tmp_path: Path, driver: FakeDriver, clock: ManualClock
) -> None:
    async with world_in(tmp_path, clock) as world:
        async with agent_on(world, driver):
            await world.create({"containers": [BOX]})
            await world.until_ready()
        await world.delete(grace_seconds=0)
        async with agent_on(world, driver):
            async with asyncio.timeout(5):
                while await driver.list_sandboxes():
                    await asyncio.sleep(0.001)
            await world.until_true(lambda: not list((tmp_path / "node" / "pods").iterdir()))


async def test_containers_that_vanished_with_the_host_are_started_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with world_in(tmp_path, clock) as world:
        async with agent_on(world, FakeDriver(clock)):
            await world.create({"containers": [BOX]})
            await world.until_ready()
        async with agent_on(world, FakeDriver(clock, network="10.201.0.0/16")):
            pod = await world.until(
                lambda pod: container(pod)["restartCount"] == 1 and "running" in state(pod)
            )
    assert pod["status"]["podIP"].startswith("10.201")


async def test_a_pod_that_had_ended_stays_as_it_is_under_a_new_agent(
    tmp_path: Path, driver: FakeDriver, clock: ManualClock
) -> None:
    driver.script("c", Script(exit_after=1))
    async with world_in(tmp_path, clock) as world:
        async with agent_on(world, driver):
            await world.create({"containers": [BOX], "restartPolicy": "Never"})
            await world.until(lambda pod: "running" in state(pod))
            await clock.advance(1)
            before = await world.until(lambda pod: pod["status"]["phase"] == "Succeeded")
        async with agent_on(world, FakeDriver(clock)):
            await world.create({"containers": [BOX]}, name="other")
            await world.until_ready("other")
            assert (await world.get())["status"] == before["status"]
            await world.delete()
            await world.until_gone()


async def test_another_image_in_the_spec_starts_the_container_anew(world: World, driver: FakeDriver) -> None:
    await world.create({"containers": [BOX]})
    await world.until_ready()
    patch = {"spec": {"containers": [{"name": "c", "image": "busybox:1.36"}]}}
    await world.client.patch(PODS, "web", patch, namespace="default")
    pod = await world.until(lambda pod: container(pod)["restartCount"] == 1 and "running" in state(pod))
    assert container(pod)["image"] == "busybox:1.36"
    assert await world.until_event("Killing") == "Container c definition changed, will be restarted"


async def test_a_log_that_has_grown_too_long_is_rotated(world: World, clock: ManualClock) -> None:
    await world.create({"containers": [BOX]})
    pod = await world.until_ready()
    logs = world.directory / "node" / "logs" / f"default_web_{pod['metadata']['uid']}" / "c"
    logs.mkdir(parents=True)
    with (logs / "0.log").open("wb") as file:
        file.truncate(MAX_LOG_BYTES + 1)
    await clock.advance(LOOK_SECONDS)
    await world.until_true(lambda: [path.name for path in logs.iterdir()] == ["0.log.20231114-221350"])


async def test_the_node_is_registered_and_kept_alive(world: World, clock: ManualClock) -> None:
    node = await world.client.get(NODES, NODE)
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == NODE
    assert node["status"]["capacity"]["pods"] == "110"
    assert condition(node, "Ready")["reason"] == "KubeletReady"
    assert "in memory" in condition(node, "RuntimeRestricted")["message"]
    lease = await world.client.get(LEASES, NODE, namespace="kube-node-lease")
    await clock.advance(10)
    async with asyncio.timeout(5):
        while True:
            renewed = await world.client.get(LEASES, NODE, namespace="kube-node-lease")
            if renewed["spec"]["renewTime"] != lease["spec"]["renewTime"]:
                break
            await asyncio.sleep(0.001)
    assert (await world.client.get(NODES, NODE))["metadata"]["resourceVersion"] == node["metadata"][
        "resourceVersion"
    ]


async def test_a_hundred_pods_get_ready_together(world: World) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(world.create({"containers": [BOX]}, name=f"pod-{number}"))
    async with asyncio.timeout(20):
        for number in range(100):
            await world.until_ready(f"pod-{number}")
    addresses = {pod["status"]["podIP"] for pod in (await world.client.list(PODS, namespace="default")).items}
    assert len(addresses) == 100
