import asyncio
from typing import Any

import orjson
import pytest

from kube_lite import kinds
from kube_lite.api.errors import AlreadyExists, ApiError, BadRequest, Conflict, Invalid
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.client.protocol import PatchType
from kube_lite.verbs.metadata import wrong_uid
from kube_lite.verbs.request import Answer, Request
from tests.serving import ADMIN, CONFIG_MAPS, DEPLOYMENTS, PODS, SERVICES, Api, config_map, pod

TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "app", "image": "i"}]}}
DEPLOYMENT: Json = {
    "metadata": {"name": "a"},
    "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE},
}


async def send(
    api: Api, verb: str, resource: GroupVersionResource, body: object, name: str = "", **query: str
) -> Answer:
    """Bytes from outside, as HTTP hands them over."""
    row = api.pipeline.registry.by_gvr(resource)
    assert row is not None
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = await api.pipeline.handle(Request(verb, row, ADMIN, "default", name, query=query, body=raw))
    assert isinstance(answer, Answer)
    return answer


async def test_the_server_says_who_an_object_is_and_when_it_was_made(api: Api) -> None:
    claims = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 9, "selfLink": "/x"}
    made = await api.client.create(CONFIG_MAPS, {"metadata": {"name": "a", **claims}}, namespace="default")
    metadata = made["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert "selfLink" not in metadata
    assert metadata["generation"] == 9  # of a kind that counts none


async def test_a_new_object_has_no_version(api: Api) -> None:
    with pytest.raises(ApiError, match="resourceVersion should not be set on objects to be created"):
        await api.client.create(
            CONFIG_MAPS, {"metadata": {"name": "a", "resourceVersion": "7"}}, namespace="default"
        )


async def test_a_generated_name_that_is_taken_is_generated_anew(api: Api) -> None:
    made = [
        await api.client.create(CONFIG_MAPS, {"metadata": {"generateName": "box-"}}, namespace="default")
        for _ in range(3)
    ]
    assert len({entry["metadata"]["name"] for entry in made}) == 3
    assert all(entry["metadata"]["name"].startswith("box-") for entry in made)


async def test_a_name_is_taken_until_its_object_is_gone(api: Api) -> None:
    held = {"metadata": {"name": "a", "finalizers": ["example.test/hold"]}}
    await api.client.create(CONFIG_MAPS, held, namespace="default")
    await api.client.delete(CONFIG_MAPS, "a", namespace="default")
    with pytest.raises(AlreadyExists, match='object is being deleted: configmaps "a" already exists'):
        await api.client.create(CONFIG_MAPS, config_map("a"), namespace="default")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(
            b'{"kind":"Secret","apiVersion":"v1"}',
            "cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap)",
            id="another kind",
        ),
        pytest.param(
            b'{"kind":"Unicorn","apiVersion":"v1"}',
            'no kind "Unicorn" is registered for version "v1" in scheme',
            id="no kind at all",
        ),
        pytest.param(b'{"apiVersion":"a/b/c"}', "unexpected GroupVersion string: a/b/c", id="no version"),
        pytest.param(b"{", "unexpected end of JSON input", id="no JSON"),
        pytest.param(
            b'{"metadata":{"name":"a"},"data":{"k":1}}',
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
            id="a wrong type",
        ),
        pytest.param(
            b'{"metadata":{"name":"a","namespace":"other"}}',
            "the namespace of the provided object does not match the namespace sent on the request",
            id="another namespace",
        ),
    ],
)
async def test_a_body_that_is_not_what_is_wanted_is_refused(api: Api, body: bytes, why: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await send(api, "create", CONFIG_MAPS, body)
    assert why in caught.value.message


BODY = b'{"metadata":{"name":"a","name":"a"},"data":{},"color":1}'
TEXTS = ('duplicate field "metadata.name"', 'unknown field "color"')


async def test_fields_that_mean_nothing_are_warned_of_refused_or_ignored_as_asked(api: Api) -> None:
    warned = await send(api, "create", CONFIG_MAPS, BODY, dryRun="All")
    assert warned.warnings == TEXTS
    ignored = await send(api, "create", CONFIG_MAPS, BODY, dryRun="All", fieldValidation="Ignore")
    assert ignored.warnings == ()
    with pytest.raises(BadRequest, match=f"strict decoding error: {TEXTS[0]}, {TEXTS[1]}"):
        await send(api, "create", CONFIG_MAPS, BODY, fieldValidation="Strict")
    with pytest.raises(Invalid, match='fieldValidation: Unsupported value: "strict"'):
        await send(api, "create", CONFIG_MAPS, BODY, fieldValidation="strict")


async def test_a_dry_run_leaves_nothing(api: Api) -> None:
    before = api.store.revision
    service = {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    answer = await send(api, "create", SERVICES, service, dryRun="All")
    assert answer.as_object()["spec"]["clusterIP"]
    assert "resourceVersion" not in answer.as_object()["metadata"]
    assert api.store.revision == before


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        pytest.param({"name": "b"}, BadRequest, r"the name of the object \(b\) does not match", id="name"),
        pytest.param({"namespace": "x"}, BadRequest, "does not match the namespace sent", id="namespace"),
        pytest.param({"uid": "u"}, Conflict, "Precondition failed: UID in precondition: u", id="uid"),
        pytest.param({"resourceVersion": "x"}, ApiError, 'parsing "x": invalid syntax', id="no version"),
        pytest.param({"resourceVersion": "1"}, Conflict, "the object has been modified", id="old version"),
        pytest.param(
            {"deletionTimestamp": "2001-01-01T00:00:00Z"}, Invalid, "field is immutable", id="deletion"
        ),
    ],
)
async def test_identity_cannot_be_changed(api: Api, change: Json, error: type[ApiError], why: str) -> None:
    made = await api.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    changed = {**made, "metadata": {**made["metadata"], **change}}
    with pytest.raises(error, match=why):
        await send(api, "update", CONFIG_MAPS, changed, name="a")


async def test_what_an_update_leaves_out_of_the_servers_own_stays(api: Api) -> None:
    made = await api.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    changed = await api.client.update(CONFIG_MAPS, config_map("a") | {"data": {}}, namespace="default")
    for field in ("uid", "creationTimestamp"):
        assert changed["metadata"][field] == made["metadata"][field]


async def test_a_generation_counts_changes_of_the_spec_and_of_nothing_else(api: Api) -> None:
    async def patch(change: Json, subresource: str = "") -> Any:
        changed = await api.client.patch(
            DEPLOYMENTS, "a", change, namespace="default", subresource=subresource
        )
        return changed["metadata"]["generation"]

    await api.client.create(DEPLOYMENTS, DEPLOYMENT, namespace="default")
    assert await patch({"metadata": {"labels": {"x": "y"}}}) == 1
    assert await patch({"status": {"replicas": 1}}, "status") == 1
    assert await patch({"spec": {"replicas": 2}}) == 2
    assert await patch({"spec": {"replicas": 2}}) == 2


async def test_an_ordinary_update_does_not_touch_the_status(api: Api) -> None:
    made = await api.client.create(PODS, pod("a"), namespace="default")
    await api.client.update(PODS, {**made, "status": {"phase": "Running"}})
    now = await api.client.get(PODS, "a", namespace="default")
    assert now["status"] == made["status"]


async def test_writers_that_race_all_get_their_turn(api: Api) -> None:
    await api.client.create(CONFIG_MAPS, {"metadata": {"name": "a"}}, namespace="default")
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            change = {"data": {f"k{number}": "v"}}
            group.create_task(api.client.patch(CONFIG_MAPS, "a", change, namespace="default"))
    assert len((await api.client.get(CONFIG_MAPS, "a", namespace="default"))["data"]) == 20


async def test_services_that_are_made_at_once_get_addresses_of_their_own(api: Api) -> None:
    async with asyncio.TaskGroup() as group:
        made = [
            group.create_task(
                api.client.create(
                    SERVICES,
                    {
                        "metadata": {"name": f"s{number}"},
                        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
                    },
                    namespace="default",
                )
            )
            for number in range(30)
        ]
    specs = [task.result()["spec"] for task in made]
    assert len({spec["clusterIP"] for spec in specs}) == 30
    assert len({spec["ports"][0]["nodePort"] for spec in specs}) == 30
    taken = {"clusterIP": specs[0]["clusterIP"], "ports": [{"port": 80}]}
    with pytest.raises(Invalid, match="provided IP is already allocated"):
        await api.client.create(SERVICES, {"metadata": {"name": "x"}, "spec": taken}, namespace="default")
    await api.client.delete(SERVICES, "s0", namespace="default")
    await api.client.create(SERVICES, {"metadata": {"name": "x"}, "spec": taken}, namespace="default")


async def test_a_service_that_was_held_gives_its_address_back_when_it_goes(api: Api) -> None:
    held = {"metadata": {"name": "a", "finalizers": ["example.test/hold"]}, "spec": {"ports": [{"port": 80}]}}
    made = await api.client.create(SERVICES, held, namespace="default")
    await api.client.delete(SERVICES, "a", namespace="default")
    await api.client.patch(SERVICES, "a", {"metadata": {"finalizers": None}}, namespace="default")
    again = {"clusterIP": made["spec"]["clusterIP"], "ports": [{"port": 80}]}
    await api.client.create(SERVICES, {"metadata": {"name": "b"}, "spec": again}, namespace="default")


async def test_an_object_of_another_kind_is_first_read_as_what_it_says_it_is(api: Api) -> None:
    async def refusal(**body: Any) -> str:
        with pytest.raises(BadRequest) as caught:
            await api.client.create(
                CONFIG_MAPS, {"apiVersion": "v1", "kind": "Secret", **body}, namespace="default"
            )
        return caught.value.message

    assert await refusal(data={"k": "not base64"}) == (
        'Secret in version "v1" cannot be handled as a ConfigMap: illegal base64 data at input byte 3'
    )
    assert "unknown conversion" in await refusal(data={"k": "dmFsdWU="})


async def test_a_refused_patch_shows_what_came_of_it_or_the_patch(api: Api) -> None:
    await api.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    with pytest.raises(Invalid) as caught:
        await api.client.patch(
            CONFIG_MAPS, "a", {"kind": "Other"}, patch_type=PatchType.MERGE, namespace="default"
        )
    assert r'Invalid value: "{\"apiVersion\":\"v1\",\"data\":' in caught.value.message
    with pytest.raises(Invalid) as caught:
        await api.client.patch(CONFIG_MAPS, "a", {"data": "x"}, namespace="default")
    assert caught.value.message.endswith('"map[data:x]": cannot restore map from string')


async def test_a_failure_also_tells_what_would_have_been_warned_of(api: Api) -> None:
    body = {"metadata": {"name": "a"}, "spec": {"Containers": []}}
    with pytest.raises(Invalid) as caught:
        await send(api, "create", PODS, body, fieldValidation="Warn")
    assert caught.value.warnings == ('unknown field "spec.Containers"',)


async def test_of_a_refused_strategic_patch_that_is_shown_which_could_not_be_merged(api: Api) -> None:
    await api.client.create(DEPLOYMENTS, DEPLOYMENT, namespace="default")
    order = {"$setElementOrder/containers": [{"name": "app"}], "containers": [{"name": "app", "image": "x"}]}
    patch = {"spec": {"replicas": "x", "template": {"spec": order}}}
    with pytest.raises(Invalid) as caught:
        await api.client.patch(DEPLOYMENTS, "a", patch, namespace="default")
    assert "containers" not in caught.value.message
    assert caught.value.message.endswith("unrecognized type: int32")


@pytest.mark.parametrize(
    ("group", "version", "plural", "path"),
    [
        ("", "v1", "pods", "/registry/pods/x/a"),
        ("", "v1", "services", "/registry/services/specs/x/a"),
        ("", "v1", "replicationcontrollers", "/registry/controllers/x/a"),
        ("networking.k8s.io", "v1", "ingresses", "/registry/ingress/x/a"),
        ("apps", "v1", "deployments", "/registry/deployments/x/a"),
        ("apiregistration.k8s.io", "v1", "apiservices", "/registry/apiregistration.k8s.io/apiservices/x/a"),
    ],
)
def test_a_wrong_uid_names_the_place_where_the_reference_keeps_the_object(
    group: str, version: str, plural: str, path: str
) -> None:
    resource = kinds.builtin().by_gvr(GroupVersionResource(group, version, plural))
    assert resource is not None
    assert f"Key: {path}," in wrong_uid(resource, ObjectKey("x", "a"), "u1", "u2")


async def test_the_topology_of_endpoints_is_read_only_but_for_a_node_known_by_it(api: Api) -> None:
    def endpoint(address: str) -> Json:
        return {"addresses": [address], "deprecatedTopology": {"kubernetes.io/hostname": "n1"}}

    slices = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
    row = api.pipeline.registry.by_gvr(slices)
    assert row is not None
    written = {"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": [endpoint("10.0.0.1")]}
    made = await api.client.create(slices, written, namespace="default")
    assert made["endpoints"] == [{"addresses": ["10.0.0.1"], "conditions": {}}]
    there = {"endpoints": [endpoint("10.0.0.1")]}  # as an older version may have left it
    same, other = {"endpoints": [endpoint("10.0.0.1")]}, {"endpoints": [endpoint("10.0.0.2")]}
    row.strategy.drop_retired(same, there)
    row.strategy.drop_retired(other, there)
    assert same == there
    assert other == {"endpoints": [{"addresses": ["10.0.0.2"], "nodeName": "n1"}]}
