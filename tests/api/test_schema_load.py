"""Schemas resolved lazily, and the cache they come out of."""

import json
import os
import stat
from pathlib import Path

import pytest

from kube_lite.api.identity import GroupVersionKind
from kube_lite.api.schema.load import Definitions
from kube_lite.kinds.schemas import ReleaseUnknown, definitions, open_pieces, published_file


@pytest.fixture(scope="module")
def release() -> Definitions:
    return definitions("1.36")


def test_a_schema_leads_through_references_to_the_last_field(release: Definitions) -> None:
    pod = release.schema("io.k8s.api.core.v1.Pod")
    containers = pod.properties["spec"].properties["containers"]
    assert (containers.type, containers.list_type, containers.list_map_keys) == ("array", "map", ("name",))
    assert containers.items is not None
    ports = containers.items.properties["ports"]
    assert ports.items is not None
    assert ports.items.properties["protocol"].default == "TCP"
    assert containers.items.properties["resources"].properties["limits"].is_map


def test_a_type_that_contains_itself_is_finite(release: Definitions) -> None:
    schema = release.schema("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    assert schema.properties["properties"].additional is schema


def test_a_field_may_add_to_the_type_it_refers_to(release: Definitions) -> None:
    strategy = release.schema("io.k8s.api.apps.v1.DeploymentSpec").properties["strategy"]
    assert strategy.patch_strategies == {"retainKeys"}
    assert "rollingUpdate" in strategy.properties
    assert release.schema("io.k8s.api.apps.v1.DeploymentStrategy").patch_strategies == frozenset()


def test_types_with_a_meaning_are_known(release: Definitions) -> None:
    limits = release.schema("io.k8s.api.core.v1.ResourceRequirements").properties["limits"].additional
    assert limits is not None
    assert limits.is_quantity
    assert release.schema("io.k8s.api.core.v1.ServicePort").properties["targetPort"].int_or_string
    meta = release.schema("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
    assert meta.properties["creationTimestamp"].is_time
    fields = release.schema("io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry").properties["fieldsV1"]
    assert fields.preserve_unknown


def test_definitions_are_found_by_kind(release: Definitions) -> None:
    deployment = GroupVersionKind("apps", "v1", "Deployment")
    assert release.name_of(deployment) == "io.k8s.api.apps.v1.Deployment"
    assert release.schema(release.name_of(deployment)).gvks == (deployment,)
    assert release.name_of(GroupVersionKind("apps", "v9", "Deployment")) == ""


def test_nothing_is_left_of_what_validators_needed(release: Definitions) -> None:
    document = release.document("io.k8s.api.core.v1.Pod")
    assert document["type"] == "object"
    assert document["properties"]["kind"] == {"type": "string"}


def test_descriptions_are_apart(release: Definitions) -> None:
    assert "description" not in json.dumps(release.document("io.k8s.api.core.v1.Pod"))
    assert release.descriptions("io.k8s.api.core.v1.Pod")["spec"].startswith("Specification of the desired")


def test_an_unknown_definition_is_a_key_error(release: Definitions) -> None:
    with pytest.raises(KeyError):
        release.schema("io.k8s.api.core.v1.Nothing")


def test_a_schema_has_no_other_attributes(release: Definitions) -> None:
    with pytest.raises(AttributeError):
        _ = release.schema("io.k8s.api.core.v1.Pod").colour  # type: ignore[attr-defined]


def test_an_inline_schema_is_read_like_a_published_one(release: Definitions) -> None:
    schema = release.parse({
        "type": "object",
        "properties": {"size": {"type": "integer", "minimum": 1, "default": 3}},
        "x-kubernetes-preserve-unknown-fields": True,
    })  # fmt: skip
    assert schema.preserve_unknown
    assert schema.properties["size"].default == 3
    assert schema.properties["size"].keywords == {"minimum": 1}


def test_an_unknown_release_names_those_there_are() -> None:
    with pytest.raises(ReleaseUnknown, match=r"1\.36"):
        definitions("0.9")


def test_the_cache_is_private_and_used_the_second_time(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = open_pieces(published_file("1.36"), cache, "1.36")
    (file,) = cache.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    stamp = file.stat().st_mtime_ns
    second = open_pieces(published_file("1.36"), cache, "1.36")
    assert file.stat().st_mtime_ns == stamp
    assert second.document("io.k8s.api.core.v1.Pod") == first.document("io.k8s.api.core.v1.Pod")


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b'{"definitions":{}}\n'], ids=["empty", "foreign", "short"]
)
def test_a_broken_cache_is_made_again(tmp_path: Path, content: bytes) -> None:
    published = published_file("1.36")
    open_pieces(published, tmp_path, "1.36")
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    pieces = open_pieces(published, tmp_path, "1.36")
    assert "io.k8s.api.core.v1.Pod" in pieces.names()
    assert file.stat().st_size > len(content)


def test_where_nothing_can_be_written_it_works_from_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    pieces = open_pieces(published_file("1.36"), blocked / "cache", "1.36")
    assert pieces.kinds()["/v1/Pod"] == "io.k8s.api.core.v1.Pod"
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208
