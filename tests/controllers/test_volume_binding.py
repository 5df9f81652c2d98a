from pathlib import Path

import pytest

from kube_lite.api.identity import Json
from kube_lite.controllers.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
)
from kube_lite.controllers.volume_binding import why_not_deleted
from kube_lite.controllers.volume_plan import BIND_COMPLETED, STORAGE_PROVISIONER, find_volume, mismatch

from .harness import World, world

CONTROLLERS = [
    "claim-binding",
    "volume-phases",
    "claim-protection",
    "volume-protection",
    "ephemeral-volumes",
    "serviceaccounts",
]


def volume(name: str = "v", size: str = "1Gi", **spec: object) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/data"},
            **spec,
        },
    }


def claim(size: str = "1Gi", **spec: object) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default", "uid": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec},
    }


def free(*made: Json) -> list[Json]:
    return [{**one, "status": {"phase": "Available"}} for one in made]


def test_the_smallest_volume_that_is_large_enough_is_found() -> None:
    found = find_volume(claim("2Gi"), free(volume("a", "1Gi"), volume("b", "8Gi"), volume("c", "4Gi")))
    assert found is not None
    assert found["metadata"]["name"] == "c"


def test_a_volume_that_is_kept_for_the_claim_comes_first_even_when_others_fit_better() -> None:
    kept = volume("kept", "8Gi", claimRef={"name": "data", "namespace": "default"})
    others = volume("other", "8Gi", claimRef={"name": "other", "namespace": "default"})
    found = find_volume(claim("1Gi"), [*free(volume("fits"), others), kept], is_delayed=False)
    assert found is kept
    assert find_volume(claim("1Gi"), free(volume("fits")), is_delayed=True) is None


def test_a_selector_chooses_among_volumes() -> None:
    chosen = volume("chosen")
    chosen["metadata"]["labels"] = {"disk": "fast"}
    wanted = claim(selector={"matchLabels": {"disk": "fast"}})
    found = find_volume(wanted, free(volume("other"), chosen))
    assert found is not None
    assert found["metadata"]["name"] == "chosen"


@pytest.mark.parametrize(
    ("offered", "asked", "why"),
    [
        ({}, claim("2Gi"), "requested PV is too small"),
        ({"storageClassName": "fast"}, claim(), "storageClassName does not match"),
        ({"volumeMode": "Block"}, claim(), "incompatible volumeMode"),
        ({}, claim(accessModes=["ReadWriteMany"]), "incompatible accessMode"),
        ({}, claim(), ""),
    ],
)
def test_what_keeps_a_claim_from_a_volume(offered: Json, asked: Json, why: str) -> None:
    assert mismatch(volume("v", "1Gi", **offered), asked) == why


async def phase(it: World, name: str) -> str:
    found = await it.find(PERSISTENT_VOLUMES, name, "")
    return str(found["status"]["phase"]) if found else ""


async def test_a_claim_is_bound_and_its_volume_released_when_it_goes(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        await it.client.create(PERSISTENT_VOLUMES, volume("large", "5Gi"))
        await it.client.create(PERSISTENT_VOLUMES, volume("small", "1Gi"))

        async def available() -> bool:
            return {await phase(it, "large"), await phase(it, "small")} == {"Available"}

        await it.until(available)
        await it.create(PERSISTENT_VOLUME_CLAIMS, claim())

        async def bound() -> bool:
            found = await it.get(PERSISTENT_VOLUME_CLAIMS, "data")
            return bool(found["status"].get("phase") == "Bound")

        await it.until(bound)
        found = await it.get(PERSISTENT_VOLUME_CLAIMS, "data")
        assert found["spec"]["volumeName"] == "small"
        assert found["status"]["capacity"] == {"storage": "1Gi"}
        assert found["metadata"]["annotations"][BIND_COMPLETED] == "yes"
        assert await phase(it, "small") == "Bound"
        await it.delete(PERSISTENT_VOLUME_CLAIMS, "data")

        async def released() -> bool:
            return await phase(it, "small") == "Released"

        await it.until(released)


async def test_a_claim_whose_volume_is_gone_is_lost(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        made = claim(volumeName="gone")
        made["metadata"]["annotations"] = {BIND_COMPLETED: "yes"}
        await it.create(PERSISTENT_VOLUME_CLAIMS, made)
        await it.until_told(
            "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        )
        assert (await it.get(PERSISTENT_VOLUME_CLAIMS, "data"))["status"]["phase"] == "Lost"


async def test_claims_say_what_they_wait_for(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        await it.create(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName=""))
        await it.until_told(
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set",
        )
        missing = claim(storageClassName="missing")
        missing["metadata"]["name"] = "of-missing-class"
        await it.create(PERSISTENT_VOLUME_CLAIMS, missing)
        await it.until_told("ProvisioningFailed", 'storageclass.storage.k8s.io "missing" not found')
        later: Json = {"metadata": {"name": "later"}, "provisioner": "example.com/disk"}
        await it.client.create(STORAGE_CLASSES, {**later, "volumeBindingMode": "WaitForFirstConsumer"})
        waiting = claim(storageClassName="later")
        waiting["metadata"]["name"] = "waiting"
        await it.create(PERSISTENT_VOLUME_CLAIMS, waiting)
        await it.until_told("WaitForFirstConsumer", "waiting for first consumer to be created before binding")


async def test_a_class_that_appears_names_the_provisioner_of_claims_that_wait(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        await it.create(PERSISTENT_VOLUME_CLAIMS, claim())
        annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
        made: Json = {"metadata": {"name": "disks", "annotations": annotations}}
        await it.client.create(STORAGE_CLASSES, {**made, "provisioner": "example.com/disk"})

        async def asked() -> bool:
            found = await it.get(PERSISTENT_VOLUME_CLAIMS, "data")
            said = found["metadata"].get("annotations") or {}
            return said.get(STORAGE_PROVISIONER) == "example.com/disk"

        await it.until(asked)
        assert (await it.get(PERSISTENT_VOLUME_CLAIMS, "data"))["spec"]["storageClassName"] == "disks"


async def test_an_ephemeral_volume_is_a_claim_that_belongs_to_its_pod(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        template = {"metadata": {"labels": {"of": "pod"}}, "spec": claim()["spec"]}
        volumes = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]
        spec = {"containers": [{"name": "c", "image": "i"}], "volumes": volumes}
        await it.until_account()
        pod = await it.create(PODS, {"metadata": {"name": "web"}, "spec": spec})

        async def made() -> bool:
            return await it.find(PERSISTENT_VOLUME_CLAIMS, "web-scratch") is not None

        await it.until(made)
        found = await it.get(PERSISTENT_VOLUME_CLAIMS, "web-scratch")
        assert found["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
        assert found["metadata"]["labels"] == {"of": "pod"}


def test_a_directory_outside_of_tmp_is_never_deleted() -> None:
    made = {"metadata": {"name": "v"}, "spec": {"hostPath": {"path": "/data/x"}}}
    assert why_not_deleted(made) == "host_path deleter only supports /tmp/.+ but received provided /data/x"
    other = {"metadata": {"name": "v"}, "spec": {"nfs": {"server": "a", "path": "/b"}}}
    assert why_not_deleted(other).endswith('volume "v": no deletable volume plugin matched')
