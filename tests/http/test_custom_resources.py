"""Custom resources over HTTP: answers with a form of their own, and what the documents say of them."""

from typing import Any

from aiohttp import ClientSession

from tests.definitions import DEFINITIONS, GROUP, NAME, definition, version, widget

from .site import Site

BASE = f"/apis/{GROUP}/v1"
WIDGETS = f"{BASE}/namespaces/default/widgets"
SCHEMA = "example.zoo.v1.Widget"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
COLUMNS = [
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
    {"name": "Since", "type": "date", "jsonPath": ".spec.since"},
    {"name": "Parts", "type": "string", "jsonPath": ".spec.parts", "priority": 1},
]
PARTS = {"type": "array", "items": {"type": "string"}}
SPEC = {
    "type": "object",
    "description": "What is wanted.",
    "properties": {"size": {"type": "integer"}, "since": {"type": "string"}, "parts": PARTS},
}


async def defined(site: Site, *versions: Any, **names: Any) -> ClientSession:
    """A session on a site where widgets are served."""
    http = await site.session()
    path = f"/apis/{DEFINITIONS.group}/{DEFINITIONS.version}/{DEFINITIONS.resource}"
    async with http.post(path, json=definition(*versions, **names)) as response:
        assert response.status == 201, await response.text()
    while (await status_of(http, "GET", f"{BASE}/widgets"))[0] != 200:
        pass
    return http


async def status_of(http: ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any]:
    async with http.request(method, path, **options) as response:
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        return response.status, await response.json() if is_json else await response.text()


async def test_lists_name_the_kind_of_every_item_and_whether_there_is_more(site: Site) -> None:
    http = await defined(site, listKind="Widgetry")
    for name in ("a", "b"):
        assert (await status_of(http, "POST", WIDGETS, json=widget(name)))[0] == 201
    _, found = await status_of(http, "GET", WIDGETS)
    assert (found["kind"], found["metadata"]["continue"]) == ("Widgetry", "")
    assert [(item["kind"], item["apiVersion"]) for item in found["items"]] == [("Widget", f"{GROUP}/v1")] * 2
    _, page = await status_of(http, "GET", WIDGETS, params={"limit": "1"})
    assert page["metadata"]["continue"]
    assert [item["metadata"]["name"] for item in page["items"]] == ["a"]


async def test_a_table_has_the_columns_of_the_definition(site: Site) -> None:
    http = await defined(site, version(spec=SPEC, additionalPrinterColumns=COLUMNS))
    await status_of(
        http, "POST", WIDGETS, json=widget("a", spec={"size": 2, "since": "soon", "parts": ["x"]})
    )
    await status_of(http, "POST", WIDGETS, json=widget("b"))
    _, table = await status_of(http, "GET", WIDGETS, headers={"Accept": TABLE})
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size", "Since", "Parts"]
    assert [row["cells"] for row in table["rows"]] == [
        ["a", 2, "<invalid>", '["x"]'],
        ["b", None, None, None],
    ]


async def test_protobuf_and_strategic_merges_are_not_for_custom_resources(site: Site) -> None:
    http = await defined(site)
    await status_of(http, "POST", WIDGETS, json=widget())
    protobuf = "application/vnd.kubernetes.protobuf"
    async with http.get(WIDGETS, headers={"Accept": protobuf}) as response:
        assert response.status == 406
    both = {"Accept": f"{protobuf},application/json"}
    assert (await status_of(http, "GET", WIDGETS, headers=both))[1]["kind"] == "WidgetList"
    merge = {"Content-Type": "application/strategic-merge-patch+json"}
    code, refused = await status_of(http, "PATCH", f"{WIDGETS}/a", data="{}", headers=merge)
    assert (code, refused["reason"]) == (415, "UnsupportedMediaType")
    assert refused["message"].endswith(
        "include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


async def test_what_no_definition_serves_is_no_page(site: Site) -> None:
    http = await defined(site, version(subresources={"status": {}}))
    for path in (f"/apis/{GROUP}/v2/widgets", f"{BASE}/gadgets", f"/apis/other.{GROUP}/v1/widgets"):
        assert await status_of(http, "GET", path) == (404, "404 page not found\n")
    code, missing = await status_of(http, "GET", f"{WIDGETS}/a/scale")
    assert (code, missing["message"]) == (404, f'{NAME} "a" not found')
    code, wrong = await status_of(http, "POST", f"{WIDGETS}/a", json=widget())
    assert (code, wrong["message"]) == (405, f'create is not supported on resources of kind "{NAME}"')


async def test_deprecated_versions_are_warned_of(site: Site) -> None:
    old = version("v1beta1", storage=False, deprecated=True)
    told = version("v1alpha1", storage=False, deprecated=True, deprecationWarning="do not")
    http = await defined(site, version("v1"), old, told)
    for name, text in (
        ("v1beta1", f"{GROUP}/v1beta1 Widget is deprecated; use {GROUP}/v1 Widget"),
        ("v1alpha1", "do not"),
    ):
        async with http.get(f"/apis/{GROUP}/{name}/widgets") as response:
            assert response.headers["Warning"] == f'299 - "{text}"'


async def test_discovery_ranks_added_versions_and_tells_scales_of_their_own_group(site: Site) -> None:
    paths = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.count"}
    with_both = version("v1", subresources={"status": {}, "scale": paths})
    http = await defined(site, with_both, version("v2alpha1", storage=False), categories=["all"])
    _, group = await status_of(http, "GET", f"/apis/{GROUP}")
    assert [entry["version"] for entry in group["versions"]] == ["v1", "v2alpha1"]
    _, listed = await status_of(http, "GET", BASE)
    assert [entry["name"] for entry in listed["resources"]] == ["widgets", "widgets/status", "widgets/scale"]
    assert listed["resources"][0]["categories"] == ["all"]
    assert listed["resources"][2]["group"] == "autoscaling"
    _, document = await status_of(http, "GET", "/apis", headers={"Accept": AGGREGATED})
    assert document["items"][-1]["metadata"]["name"] == GROUP


async def test_every_group_and_version_has_a_document_whose_hash_follows_its_schema(site: Site) -> None:
    http = await defined(site, version(spec=SPEC))

    async def index() -> dict[str, str]:
        async with http.get("/openapi/v3") as response:
            paths = (await response.json(content_type=None))["paths"]
        return {path: entry["serverRelativeURL"] for path, entry in paths.items()}

    before = await index()
    _, document = await status_of(http, "GET", before[BASE.lstrip("/")])
    schema = document["components"]["schemas"][SCHEMA]
    assert schema["properties"]["spec"]["description"] == "What is wanted."
    assert schema["x-kubernetes-group-version-kind"] == [{"group": GROUP, "version": "v1", "kind": "Widget"}]
    reference = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    assert schema["properties"]["metadata"]["allOf"] == [{"$ref": reference}]
    patch = document["paths"][f"{WIDGETS.replace('default', '{namespace}')}/{{name}}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    other = {"spec": {"versions": [version(spec={"type": "object"})]}}
    path = f"/apis/{DEFINITIONS.group}/{DEFINITIONS.version}/{DEFINITIONS.resource}/{NAME}"
    merge = {"Content-Type": "application/merge-patch+json"}
    assert (await status_of(http, "PATCH", path, json=other, headers=merge))[0] == 200
    while (after := await index()) == before:
        pass
    assert {path for path in before if before[path] != after[path]} == {BASE.lstrip("/")}


async def test_the_older_document_leaves_out_what_its_version_cannot_say(site: Site) -> None:
    choice = {"type": "string", "nullable": True, "anyOf": [{"enum": ["a"]}, {"enum": ["b"]}]}
    spec = {"type": "object", "required": ["choice"], "properties": {"choice": choice}}
    http = await defined(site, version(spec=spec))
    _, document = await status_of(http, "GET", "/openapi/v2")
    assert document["definitions"][SCHEMA]["properties"]["spec"] == {
        "type": "object",
        "properties": {"choice": {}},
    }
