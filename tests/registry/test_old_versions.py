"""Stored objects as versions of old show them."""

from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.registry.converting import in_version
from kube_lite.registry.stored import Stored, as_stored, encode

METADATA = {"name": "web", "namespace": "a", "uid": "u", "labels": {"app": "web"}}
DEPLOYMENT: Json = {
    "kind": "Deployment", "apiVersion": "apps/v1", "metadata": METADATA, "spec": {"replicas": 1},
}  # fmt: skip


def stored(obj: Json) -> Stored:
    """As it comes from the store."""
    kept = as_stored(encode(obj, {"own": "field"}), 7)
    return Stored(kept.raw, kept.revision, kept.header)


def test_what_differs_by_name_alone_is_shown_unread() -> None:
    item = stored(DEPLOYMENT)
    shown = in_version(item, GroupVersionKind("apps", "v1beta2", "Deployment"))
    assert "object" not in vars(item)
    assert shown.object == {**item.object, "apiVersion": "apps/v1beta2"}
    assert shown.raw == item.raw.replace(b'"apps/v1"', b'"apps/v1beta2"')
    assert (shown.facts.labels, shown.facts.fields) == ({"app": "web"}, {"own": "field"})


def test_the_end_of_an_object_is_told_in_the_old_version_under_its_own_revision() -> None:
    for version in (("apps", "v1beta2"), ("extensions", "v1beta1")):
        shown = in_version(stored(DEPLOYMENT), GroupVersionKind(*version, "Deployment"))
        last = shown.at_revision(12345)
        assert last.object["metadata"] == {**shown.object["metadata"], "resourceVersion": "12345"}
        assert last.object["apiVersion"] == "/".join(version)


def test_what_has_other_fields_is_converted() -> None:
    annotations = {"deprecated.deployment.rollback.to": "3"}
    item = stored({**DEPLOYMENT, "metadata": {**METADATA, "annotations": annotations}})
    shown = in_version(item, GroupVersionKind("extensions", "v1beta1", "Deployment"))
    assert shown.object["spec"]["rollbackTo"] == {"revision": 3}
    assert shown.facts.labels == {"app": "web"}
