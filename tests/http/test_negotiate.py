import pytest

from kube_lite.api.errors import NotAcceptable, UnsupportedMediaType
from kube_lite.api.resource import Resource
from kube_lite.http.negotiate import IN_PROTOBUF, PLAIN, Form, negotiate, refuse_misfits, refuse_unknown_body
from kube_lite.kinds import builtin

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PODS = next(row for row in builtin("1.36") if row.plural == "pods")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        pytest.param("", PLAIN, id="nothing said"),
        pytest.param("*/*", PLAIN, id="anything"),
        pytest.param("application/xml,application/json", PLAIN, id="the second will do"),
        pytest.param("application/yaml", Form("application/yaml"), id="yaml"),
        pytest.param("application/json;q=0.5,application/yaml;q=0.9", Form("application/yaml"), id="quality"),
        pytest.param(
            "application/vnd.kubernetes.protobuf,application/json", IN_PROTOBUF, id="protobuf or json"
        ),
        pytest.param("application/vnd.kubernetes.protobuf;q=0.2,application/json", PLAIN, id="rather json"),
        pytest.param("application/vnd.kubernetes.protobuf;stream=watch", IN_PROTOBUF, id="protobuf stream"),
        pytest.param(
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            Form("application/vnd.kubernetes.protobuf", "PartialObjectMetadata", "v1"),
            id="metadata in protobuf",
        ),
        pytest.param(
            f"{TABLE.replace('json', 'vnd.kubernetes.protobuf')},{TABLE}",
            Form("application/json", "Table", "v1"),
            id="tables are not protobuf",
        ),
        pytest.param("application/yaml;stream=watch,application/json", PLAIN, id="yaml does not stream"),
        pytest.param(
            "application/json;v=v1;g=meta.k8s.io,application/yaml",
            Form("application/yaml"),
            id="v without as",
        ),
        pytest.param("application/cbor,application/json", PLAIN, id="cbor or json"),
        pytest.param(f"{TABLE},application/json", Form("application/json", "Table", "v1"), id="table"),
        pytest.param(
            "application/json;as=Table;v=v2;g=meta.k8s.io,application/json",
            PLAIN,
            id="unknown table, or json",
        ),
        pytest.param("application/json;stream=watch", PLAIN, id="stream"),
        pytest.param(
            "application/json;as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io",
            Form("application/json", "PartialObjectMetadataList", "v1beta1"),
            id="metadata of a list",
        ),
    ],
)
def test_the_best_form_that_can_be_served_is_chosen(accept: str, form: Form) -> None:
    assert negotiate(accept) == form


@pytest.mark.parametrize(
    "accept", ["application/xml", "text/plain", "application/*", "application/cbor", "application/cbor-seq"]
)
def test_a_media_type_that_no_route_knows_is_refused_by_the_router(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"^406: Not Acceptable\n\nAvailable representations: ") as caught:
        negotiate(accept)
    assert caught.value.status()["details"] == {}


@pytest.mark.parametrize(
    "accept",
    [
        "application/json;as=Table;v=v2;g=meta.k8s.io",
        "application/json;as=Chair;v=v1;g=meta.k8s.io",
        TABLE.replace("json", "vnd.kubernetes.protobuf"),
    ],
)
def test_a_form_that_cannot_be_made_is_refused_by_the_negotiation(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"^only the following media types are accepted: ") as caught:
        negotiate(accept)
    assert "details" not in caught.value.status()


def test_custom_resources_have_a_form_in_protobuf_only_as_bare_metadata() -> None:
    row = Resource("apps.example.com", "v1", "deployments", "deployment", "Deployment", namespaced=True)
    protobuf = "application/vnd.kubernetes.protobuf"
    assert negotiate(f"{protobuf},application/json", row) == PLAIN
    assert negotiate(f"{protobuf},application/json", PODS) == IN_PROTOBUF
    partial = f"{protobuf};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    assert negotiate(partial, row) == Form(protobuf, "PartialObjectMetadata", "v1")
    with pytest.raises(NotAcceptable, match=f"application/json, application/yaml, {protobuf}$"):
        negotiate(protobuf, row)


def test_a_list_is_not_one_objects_metadata() -> None:
    form = Form("application/json", "PartialObjectMetadata", "v1")
    refuse_misfits(form, PODS, is_list=False)
    with pytest.raises(NotAcceptable, match=r"but the requested object is a list \(\*core\.PodList\)$"):
        refuse_misfits(form, PODS, is_list=True)


@pytest.mark.parametrize(
    ("method", "content_type"),
    [
        ("POST", ""),
        ("POST", "application/json; charset=utf-8"),
        ("PUT", "application/yaml"),
        ("PATCH", "application/merge-patch+json"),
        ("PATCH", "application/apply-patch+yaml"),
    ],
)
def test_known_bodies_pass(method: str, content_type: str) -> None:
    refuse_unknown_body(method, content_type)


@pytest.mark.parametrize(
    ("method", "content_type", "message"),
    [
        ("POST", "text/plain", "the body of the request was in an unknown format"),
        ("POST", "application/cbor", "the body of the request was in an unknown format"),
        ("PATCH", "application/json", "415: Unsupported Media Type"),
        ("PATCH", "application/apply-patch+cbor", "415: Unsupported Media Type"),
        ("PATCH", "", "415: Unsupported Media Type"),
    ],
)
def test_unknown_bodies_are_refused(method: str, content_type: str, message: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=f"^{message}"):
        refuse_unknown_body(method, content_type)
