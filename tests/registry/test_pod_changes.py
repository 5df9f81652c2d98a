"""What may not be changed in a Pod through its side doors, and how that is told."""

from kube_lite.registry.pod_changes import check_ephemeral_containers


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
