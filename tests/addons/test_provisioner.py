from pathlib import Path

from kube_lite.addons.provisioner import NAME, is_ours, is_to_be_removed, make_directory, plan_volume
from kube_lite.api.identity import Json

CLASS: Json = {"metadata": {"name": "standard"}, "provisioner": NAME, "mountOptions": ["noatime"]}


def claim(**annotations: str) -> Json:
    metadata = {"name": "data", "namespace": "default", "uid": "u-1", "resourceVersion": "7"}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {**metadata, "annotations": annotations}, "spec": spec}


def asking(**annotations: str) -> Json:
    return claim(**{"volume.kubernetes.io/storage-provisioner": NAME, **annotations})


def test_only_claims_that_name_this_provisioner_get_a_volume() -> None:
    assert is_ours(asking(), CLASS, NAME)
    assert not is_ours(claim(), CLASS, NAME)
    assert not is_ours(claim(**{"volume.kubernetes.io/storage-provisioner": "other"}), CLASS, NAME)


def test_a_claim_of_a_class_that_waits_gets_its_volume_when_a_node_is_chosen() -> None:
    waiting = {**CLASS, "volumeBindingMode": "WaitForFirstConsumer"}
    assert not is_ours(asking(), waiting, NAME)
    assert is_ours(asking(**{"volume.kubernetes.io/selected-node": "n1"}), waiting, NAME)


def test_a_volume_is_named_after_its_claim_and_kept_for_it() -> None:
    volume = plan_volume(asking(), CLASS, NAME, Path("/volumes"))
    assert volume["metadata"]["name"] == "pvc-u-1"
    assert volume["spec"]["claimRef"]["uid"] == "u-1"
    assert volume["spec"]["hostPath"]["path"] == "/volumes/pvc-u-1"
    assert volume["spec"]["capacity"] == {"storage": "1Gi"}
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    assert volume["spec"]["mountOptions"] == ["noatime"]


def test_only_released_volumes_of_its_own_are_removed() -> None:
    volume = plan_volume(asking(), CLASS, NAME, Path("/volumes"))
    released = {**volume, "status": {"phase": "Released"}}
    assert is_to_be_removed(released, NAME)
    assert not is_to_be_removed({**volume, "status": {"phase": "Bound"}}, NAME)
    assert not is_to_be_removed(released, "other")
    kept = {**released, "spec": {**volume["spec"], "persistentVolumeReclaimPolicy": "Retain"}}
    assert not is_to_be_removed(kept, NAME)


def test_whoever_a_pod_runs_as_may_write_into_a_volume(tmp_path: Path) -> None:
    directory = tmp_path / "volumes" / "pvc-1"
    make_directory(directory)
    make_directory(directory)
    assert directory.stat().st_mode & 0o777 == 0o777
    assert directory.parent.stat().st_mode & 0o777 == 0o700
