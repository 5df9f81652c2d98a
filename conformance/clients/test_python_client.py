"""A program on the official Python client: objects, watches, pages, streams, events, election."""

import datetime
import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer
from kubernetes.leaderelection import electionconfig
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes.stream import stream

from conformance.conftest import Running
from conformance.kubectl import eventually

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # a stopped watch leaves its socket


@pytest.fixture
def session(target: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(target)) as made:
        yield made
    gc.collect()  # here, where what is left open is no error


@pytest.fixture
def core(session: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(session)


def config_map(name: str, data: dict[str, str] | None = None, **labels: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels=labels), data=data)


def test_an_object_lives_from_creation_to_deletion(core: client.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_config_map(namespace, config_map("a", {"x": "1"}))
    assert isinstance(made.metadata.creation_timestamp, datetime.datetime)
    assert core.read_namespaced_config_map("a", namespace) == made
    patched = core.patch_namespaced_config_map("a", namespace, {"data": {"y": "2"}})
    assert patched.data == {"x": "1", "y": "2"}
    patched.data = {"z": "3"}
    assert core.replace_namespaced_config_map("a", namespace, patched).data == {"z": "3"}
    operations = [{"op": "remove", "path": "/data/z"}]
    assert not core.patch_namespaced_config_map("a", namespace, operations).data
    core.delete_namespaced_config_map("a", namespace)
    with pytest.raises(ApiException, match='configmaps \\\\"a\\\\" not found') as refused:
        core.read_namespaced_config_map("a", namespace)
    assert refused.value.status == 404


def test_who_comes_late_learns_of_the_conflict(core: client.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_config_map(namespace, config_map("a"))
    core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("a", namespace, made)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")


def test_a_watch_is_stopped_and_goes_on_where_it_was(core: client.CoreV1Api, namespace: str) -> None:
    for name in ("a", "b", "c"):
        core.create_namespaced_config_map(namespace, config_map(name, run="here"))
    watching, seen = watch.Watch(), []
    for event in watching.stream(core.list_namespaced_config_map, namespace, label_selector="run=here"):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 3:
            core.delete_namespaced_config_map("b", namespace)
        if event["type"] == "DELETED":
            watching.stop()
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c"), ("DELETED", "b")]
    core.create_namespaced_config_map(namespace, config_map("d", run="here"))
    for event in watching.stream(
        core.list_namespaced_config_map,
        namespace,
        label_selector="run=here",
        resource_version=watching.resource_version,
    ):
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "d")
        watching.stop()


def test_a_list_comes_in_pages_and_by_selectors(core: client.CoreV1Api, namespace: str) -> None:
    for number in range(7):
        parity = "odd" if number % 2 else "even"
        core.create_namespaced_config_map(namespace, config_map(f"n-{number}", run="here", parity=parity))
    found, token = [], None
    while token != "":
        page = core.list_namespaced_config_map(
            namespace, label_selector="run=here", limit=3, **({"_continue": token} if token else {})
        )
        found += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert found == [f"n-{number}" for number in range(7)]
    odd = core.list_namespaced_config_map(namespace, label_selector="parity in (odd),run")
    assert [item.metadata.name for item in odd.items] == ["n-1", "n-3", "n-5"]
    one = core.list_namespaced_config_map(namespace, field_selector="metadata.name=n-4")
    assert [item.metadata.name for item in one.items] == ["n-4"]
    core.delete_collection_namespaced_config_map(namespace, label_selector="parity=even")
    assert len(core.list_namespaced_config_map(namespace, label_selector="run=here").items) == 3


def test_a_container_says_what_it_said(core: client.CoreV1Api, running: Running) -> None:
    assert core.read_namespaced_pod_log(running.name, running.namespace) == "first\nsecond\n"
    assert core.read_namespaced_pod_log(running.name, running.namespace, tail_lines=1) == "second\n"
    following = watch.Watch()
    lines = []
    for line in following.stream(core.read_namespaced_pod_log, running.name, running.namespace):
        lines.append(line)
        if len(lines) == 2:
            following.stop()
    assert lines == ["first", "second"]


def test_a_command_runs_in_a_container(core: client.CoreV1Api, running: Running) -> None:
    said = stream(
        core.connect_get_namespaced_pod_exec,
        running.name,
        running.namespace,
        command=["echo", "hello"],
        stdout=True,
        stderr=True,
        stdin=False,
        tty=False,
    )
    assert said == "hello\n"


def test_a_command_reads_writes_and_fails(core: client.CoreV1Api, running: Running) -> None:
    talk = stream(
        core.connect_get_namespaced_pod_exec,
        running.name,
        running.namespace,
        command=["sh", "-c", "read line; echo got $line; echo trouble >&2; exit 3"],
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    talk.write_stdin("a word\n")
    talk.run_forever(timeout=20)
    assert talk.read_stdout() == "got a word\n"
    assert talk.read_stderr() == "trouble\n"
    assert talk.returncode == 3
    talk.close()


def test_events_are_told_in_one_version_and_found_in_the_other(
    core: client.CoreV1Api, namespace: str
) -> None:
    made = core.create_namespaced_config_map(namespace, config_map("a"))
    event = client.EventsV1Event(
        metadata=client.V1ObjectMeta(generate_name="a-"),
        regarding=client.V1ObjectReference(
            kind="ConfigMap", name="a", namespace=namespace, uid=made.metadata.uid, api_version="v1"
        ),
        action="Test",
        reason="Tested",
        note="It was tested.",
        type="Normal",
        event_time=datetime.datetime.now(datetime.UTC),
        reporting_controller="example.test/conformance",
        reporting_instance="one",
    )
    client.EventsV1Api(core.api_client).create_namespaced_event(namespace, event)
    chosen = f"involvedObject.uid={made.metadata.uid},reason=Tested"
    [found] = core.list_namespaced_event(namespace, field_selector=chosen).items
    assert (found.message, found.reporting_component) == ("It was tested.", "example.test/conformance")
    assert found.event_time == event.event_time
    assert core.list_namespaced_event(namespace, field_selector="reason=Other").items == []


def test_a_deployment_is_made_of_yaml_and_scaled(session: client.ApiClient, namespace: str) -> None:
    utils.create_from_dict(
        session,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "localhost/none"}]},
                },
            },
        },
        namespace=namespace,
    )
    apps = client.AppsV1Api(session)

    def is_observed() -> None:
        found = apps.read_namespaced_deployment_status("web", namespace)
        assert found.status.observed_generation == found.metadata.generation

    eventually(is_observed)
    scaled = apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    assert scaled.spec.replicas == 2
    assert apps.read_namespaced_deployment("web", namespace).spec.replicas == 2


def test_the_dynamic_client_discovers_and_applies(session: client.ApiClient, namespace: str) -> None:
    discovered = dynamic.DynamicClient(session)
    maps = discovered.resources.get(api_version="v1", kind="ConfigMap")
    maps.create(body={"metadata": {"name": "a"}, "data": {"x": "1"}}, namespace=namespace)
    maps.patch(
        name="a",
        namespace=namespace,
        body={"data": {"y": "2"}},
        content_type="application/merge-patch+json",
    )
    assert maps.get(name="a", namespace=namespace).data.to_dict() == {"x": "1", "y": "2"}
    assert "a" in [item.metadata.name for item in maps.get(namespace=namespace).items]
    for event in maps.watch(namespace=namespace, timeout=5, field_selector="metadata.name=a"):
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")
        break
    maps.delete(name="a", namespace=namespace)


def test_a_lease_passes_to_another_candidate_when_it_is_not_renewed(
    core: client.CoreV1Api, target: Path, namespace: str
) -> None:
    config.load_kube_config(str(target))  # the locks of the library know no other client
    leases = client.CoordinationV1Api(core.api_client)
    first, second = (candidate(name, namespace) for name in ("first", "second"))
    assert first.try_acquire_or_renew()
    assert not second.try_acquire_or_renew()
    assert first.try_acquire_or_renew()
    assert leases.read_namespaced_lease("election", namespace).spec.holder_identity == "first"
    waiting = threading.Thread(target=second.acquire)
    waiting.start()
    waiting.join(20)
    assert not waiting.is_alive()
    assert leases.read_namespaced_lease("election", namespace).spec.holder_identity == "second"
    assert not first.try_acquire_or_renew()


def test_an_informer_keeps_its_copy_while_one_watch_after_the_other_ends(
    core: client.CoreV1Api, namespace: str
) -> None:
    core.create_namespaced_config_map(namespace, config_map("a", run="here"))
    core.create_namespaced_config_map(namespace, config_map("other"))
    informer = SharedInformer(
        core.list_namespaced_config_map, namespace, resync_period=1, label_selector="run=here"
    )
    seen: list[tuple[str, str]] = []
    for kind in (ADDED, MODIFIED, DELETED):
        informer.add_event_handler(kind, lambda found, kind=kind: seen.append((kind, found.metadata.name)))
    informer.start()
    try:
        eventually(lambda: (ADDED, "a") in seen)
        core.create_namespaced_config_map(namespace, config_map("b", run="here"))
        eventually(lambda: (ADDED, "b") in seen)
        eventually(lambda: (MODIFIED, "b") in seen)  # by nobody: this is how it tells that it listed anew
        core.delete_namespaced_config_map("a", namespace)
        eventually(lambda: (DELETED, "a") in seen)
    finally:
        informer.stop()
    assert informer.cache.list_keys() == [f"{namespace}/b"]
    assert "other" not in {name for _, name in seen}


def candidate(name: str, namespace: str) -> LeaderElection:
    """With the shortest times that the library takes."""
    lock = LeaseLock("election", namespace, name)
    return LeaderElection(
        electionconfig.Config(
            lock,
            lease_duration=2,
            renew_deadline=1.5,
            retry_period=1,
            onstarted_leading=lambda: None,
            onstopped_leading=lambda: None,
        )
    )
