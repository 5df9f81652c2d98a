import pytest

from kube_lite.api.errors import NotAcceptable, UnsupportedMediaType
from kube_lite.http.negotiate import PLAIN, Form, negotiate, refuse_misfits, refuse_unknown_body
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
        pytest.param("application/vnd.kubernetes.protobuf,application/json", PLAIN, id="protobuf or json"),
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


@pytest.mark.parametrize("accept", ["application/xml", "text/plain", "application/*", "application/cbor"])
def test_a_media_type_that_no_route_knows_is_refused_by_the_router(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"^406: Not Acceptable\n\nAvailable representations: ") as caught:
        negotiate(accept)
    assert caught.value.status()["details"] == {}


@pytest.mark.parametrize(
    "accept",
    [
        "application/json;as=Table;v=v2;g=meta.k8s.io",
        "application/json;as=Chair;v=v1;g=meta.k8s.io",
        "application/vnd.kubernetes.protobuf",
    ],
)
def test_a_form_that_cannot_be_made_is_refused_by_the_negotiation(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"^only the following media types are accepted: ") as caught:
        negotiate(accept)
    assert "details" not in caught.value.status()


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
        ("PATCH", "application/json", "415: Unsupported Media Type"),
        ("PATCH", "", "415: Unsupported Media Type"),
    ],
)
def test_unknown_bodies_are_refused(method: str, content_type: str, message: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=f"^{message}"):
        refuse_unknown_body(method, content_type)
