"""What may not be changed in a Pod through its side doors, and how that is told."""

from typing import Any

import pytest

from kube_lite.registry.pod_changes import check_ephemeral_containers, check_resources, with_resources


def _pod(*containers: dict[str, object]) -> dict[str, object]:
    return {"spec": {"ephemeralContainers": list(containers)}}


def test_a_changed_ephemeral_container_is_told_with_what_is_different_in_memory() -> None:
    before = _pod({"name": "helper", "image": "one"}, {"name": "gone", "image": "one"})
    after = _pod({"name": "helper", "image": "two"})

    changed, removed = check_ephemeral_containers(after, before)

    assert changed.message == (
        'Forbidden: existing ephemeral containers "helper" may not be changed\n'
        "@@ -1,6 +1,6 @@\n"
        ' {\n  "Name": "helper",\n- "Image": "one",\n+ "Image": "two",\n'
        '  "Command": null,\n  "Args": null,\n  "WorkingDir": "",\n'
    )
    assert removed.message == 'Forbidden: existing ephemeral containers "gone" may not be removed\n'


def _container(name: str = "a", **requests: str) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": requests}}


@pytest.mark.parametrize(
    ("containers", "told"),
    [
        pytest.param([_container(cpu="2")], [], id="another amount"),
        pytest.param(
            [_container("b", cpu="1")],
            ["spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"],
            id="another container",
        ),
        pytest.param(
            [_container(cpu="1"), _container("b", cpu="1")],
            ["spec.containers: Forbidden: containers may not be added or removed on resize"],
            id="one more",
        ),
        pytest.param(
            [_container()],
            [
                'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            ],
            id="nothing asked for any more",
        ),
        pytest.param(
            [_container(cpu="1", **{"ephemeral-storage": "1Gi"})],
            ["spec: Forbidden: only cpu and memory resources are mutable"],
            id="something else",
        ),
    ],
)
def test_a_resize_changes_amounts_of_processor_and_memory_only(
    containers: list[dict[str, Any]], told: list[str]
) -> None:
    old = {"metadata": {"name": "p"}, "spec": {"containers": [_container(cpu="1")]}}
    new = with_resources(old, {"spec": {"containers": containers}})
    assert [f"{cause.field}: {cause.message}" for cause in check_resources(new, old)] == told
