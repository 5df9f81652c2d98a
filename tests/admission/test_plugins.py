"""The plugins that are always on, as those who create things meet them."""

from typing import Any

import pytest

from kube_lite.admission.chain import CREATE, Attempt, Chain, Rule
from kube_lite.admission.plugins import default_chain
from kube_lite.admission.service_accounts import MOUNT_PATH, VOLUME_NAMES, mount_token
from kube_lite.api.errors import Forbidden, NotFound
from kube_lite.api.identity import GroupResource, GroupVersionResource, Json
from tests.serving import ACCOUNTS, CONFIG_MAPS, NAMESPACES, PODS, Api, config_map, pod

CLASSES = GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses")
CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")
RUNTIME_CLASSES = GroupVersionResource("node.k8s.io", "v1", "runtimeclasses")
NODES = GroupVersionResource("", "v1", "nodes")
VOLUMES = GroupVersionResource("", "v1", "persistentvolumes")
ATTRIBUTES_CLASSES = GroupVersionResource("storage.k8s.io", "v1", "volumeattributesclasses")
STORAGE_CLASSES = GroupVersionResource("storage.k8s.io", "v1", "storageclasses")


async def make_pod(api: Api, name: str = "a", **spec: Any) -> Json:
    return await api.client.create(PODS, pod(name, **spec), namespace="default")


class TestNamespaces:
    async def test_a_namespace_must_exist(self, api: Api) -> None:
        with pytest.raises(NotFound, match='namespaces "none" not found'):
            await api.client.create(CONFIG_MAPS, config_map("a"), namespace="none")

    async def test_one_that_is_going_takes_in_nothing_new(self, api: Api) -> None:
        await api.client.create(NAMESPACES, {"metadata": {"name": "going"}})
        await api.client.delete(NAMESPACES, "going")
        with pytest.raises(Forbidden, match="because it is being terminated") as caught:
            await api.client.create(CONFIG_MAPS, config_map("a"), namespace="going")
        cause = caught.value.status()["details"]["causes"][0]
        assert (cause["reason"], cause["field"]) == ("NamespaceTerminating", "metadata.namespace")

    @pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
    async def test_some_stay(self, api: Api, name: str) -> None:
        if name != "default":
            await api.client.create(NAMESPACES, {"metadata": {"name": name}})
        with pytest.raises(Forbidden, match=f'namespaces "{name}" is forbidden: this namespace may not be'):
            await api.client.delete(NAMESPACES, name)


class TestServiceAccounts:
    async def test_a_pod_finds_its_accounts_token(self, api: Api) -> None:
        spec = (await make_pod(api))["spec"]
        assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
        volume = spec["volumes"][0]
        assert volume["name"].startswith("kube-api-access-")
        assert [next(iter(source)) for source in volume["projected"]["sources"]] == [
            "serviceAccountToken",
            "configMap",
            "downwardAPI",
        ]
        mount = {"name": volume["name"], "readOnly": True, "mountPath": MOUNT_PATH}
        assert spec["containers"][0]["volumeMounts"] == [mount]

    async def test_names_of_token_volumes_differ_and_come_again(self, api: Api) -> None:
        made = [(await make_pod(api, f"p{number}"))["spec"] for number in range(VOLUME_NAMES + 1)]
        names = [spec["volumes"][0]["name"] for spec in made]
        assert names[0] != names[1]
        assert made[0] == made[-1]

    async def test_an_account_must_exist(self, api: Api) -> None:
        why = 'error looking up service account default/none: serviceaccount "none" not found'
        with pytest.raises(Forbidden, match=why):
            await make_pod(api, serviceAccountName="none")

    async def test_the_pod_decides_before_the_account_whether_there_is_a_token(self, api: Api) -> None:
        quiet = {"metadata": {"name": "quiet"}, "automountServiceAccountToken": False}
        await api.client.create(ACCOUNTS, quiet, namespace="default")
        assert "volumes" not in (await make_pod(api, serviceAccountName="quiet"))["spec"]
        loud = await make_pod(api, "b", serviceAccountName="quiet", automountServiceAccountToken=True)
        assert loud["spec"]["volumes"]

    async def test_pull_secrets_come_from_the_account(self, api: Api) -> None:
        account = {"metadata": {"name": "x"}, "imagePullSecrets": [{"name": "s"}]}
        await api.client.create(ACCOUNTS, account, namespace="default")
        assert (await make_pod(api, serviceAccountName="x"))["spec"]["imagePullSecrets"] == [{"name": "s"}]

    def test_a_mount_of_ones_own_is_left_alone(self) -> None:
        own = {"name": "v", "mountPath": MOUNT_PATH}
        spec: Json = {"containers": [{"name": "a", "volumeMounts": [own]}], "volumes": [{"name": "v"}]}
        mount_token(spec, "kube-api-access-x")
        assert spec["containers"][0]["volumeMounts"] == [own]
        assert spec["volumes"] == [{"name": "v"}]


class TestPriority:
    async def test_a_class_becomes_a_number(self, api: Api) -> None:
        await api.client.create(
            CLASSES, {"metadata": {"name": "urgent"}, "value": 500, "preemptionPolicy": "Never"}
        )
        spec = (await make_pod(api, priorityClassName="urgent"))["spec"]
        assert (spec["priority"], spec["preemptionPolicy"]) == (500, "Never")

    async def test_without_a_class_it_is_zero(self, api: Api) -> None:
        spec = (await make_pod(api))["spec"]
        assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
        assert "priorityClassName" not in spec

    async def test_a_class_for_all_others_can_be_marked_once(self, api: Api) -> None:
        await api.client.create(CLASSES, {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True})
        assert (await make_pod(api))["spec"]["priority"] == 7
        with pytest.raises(Forbidden, match="PriorityClass usual is already marked as default"):
            await api.client.create(
                CLASSES, {"metadata": {"name": "second"}, "value": 8, "globalDefault": True}
            )

    @pytest.mark.parametrize(
        ("spec", "why"),
        [
            pytest.param(
                {"priorityClassName": "none"}, "no PriorityClass with name none was found", id="unknown"
            ),
            pytest.param({"priority": 5}, r"the integer value of priority \(5\) must not be", id="a number"),
            pytest.param(
                {"preemptionPolicy": "Never"}, "the string value of PreemptionPolicy", id="a policy"
            ),
        ],
    )
    async def test_what_the_class_does_not_say_is_refused(
        self, api: Api, spec: dict[str, Any], why: str
    ) -> None:
        with pytest.raises(Forbidden, match=why):
            await make_pod(api, **spec)


class TestRuntimeClasses:
    async def make_class(self, api: Api) -> None:
        scheduling = {"nodeSelector": {"sandbox": "yes"}, "tolerations": [{"key": "s", "operator": "Exists"}]}
        body = {
            "metadata": {"name": "box"},
            "handler": "box",
            "overhead": {"podFixed": {"cpu": "10m"}},
            "scheduling": scheduling,
        }
        await api.client.create(RUNTIME_CLASSES, body)

    async def test_a_pod_gets_what_its_class_costs_and_needs(self, api: Api) -> None:
        await self.make_class(api)
        spec = (await make_pod(api, runtimeClassName="box", nodeSelector={"disk": "fast"}))["spec"]
        assert spec["overhead"] == {"cpu": "10m"}
        assert spec["nodeSelector"] == {"disk": "fast", "sandbox": "yes"}
        assert {"key": "s", "operator": "Exists"} in spec["tolerations"]

    @pytest.mark.parametrize(
        ("spec", "why"),
        [
            pytest.param(
                {"runtimeClassName": "none"},
                'pod rejected: RuntimeClass "none" not found',
                id="no such class",
            ),
            pytest.param(
                {"overhead": {"cpu": "1"}}, "Pod Overhead set without corresponding", id="overhead alone"
            ),
            pytest.param(
                {"runtimeClassName": "box", "overhead": {"cpu": "1"}}, "doesn't match", id="other overhead"
            ),
            pytest.param(
                {"runtimeClassName": "box", "nodeSelector": {"sandbox": "no"}}, "conflict:", id="other nodes"
            ),
        ],
    )
    async def test_a_pod_and_its_class_agree(self, api: Api, spec: Json, why: str) -> None:
        await self.make_class(api)
        with pytest.raises(Forbidden, match=why):
            await make_pod(api, **spec)


async def test_pods_stay_five_minutes_on_a_lost_node_unless_they_say_otherwise(api: Api) -> None:
    tolerations = (await make_pod(api))["spec"]["tolerations"]
    assert [(entry["key"], entry["tolerationSeconds"]) for entry in tolerations] == [
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    ]
    stubborn = [{"operator": "Exists"}]
    assert (await make_pod(api, "b", tolerations=stubborn))["spec"]["tolerations"] == stubborn


@pytest.mark.parametrize(
    ("resource", "obj", "finalizer"),
    [
        pytest.param(
            CLAIMS,
            {
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                }
            },
            "kubernetes.io/pvc-protection",
            id="claims",
        ),
        pytest.param(
            VOLUMES,
            {
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "hostPath": {"path": "/x"},
                }
            },
            "kubernetes.io/pv-protection",
            id="volumes",
        ),
        pytest.param(
            ATTRIBUTES_CLASSES,
            {"driverName": "d.test", "parameters": {"a": "b"}},
            "kubernetes.io/vac-protection",
            id="classes of attributes",
        ),
    ],
)
async def test_storage_is_protected_from_the_start(
    api: Api, resource: GroupVersionResource, obj: Json, finalizer: str
) -> None:
    metadata = {"name": "a", "finalizers": ["example.test/own"]}
    namespace = "default" if resource == CLAIMS else ""
    made = await api.client.create(resource, {**obj, "metadata": metadata}, namespace=namespace)
    assert made["metadata"]["finalizers"] == ["example.test/own", finalizer]


async def test_a_new_node_takes_no_pods_until_it_is_seen_to_be_ready(api: Api) -> None:
    not_ready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    other = {"key": "a", "effect": "NoExecute"}
    made = await api.client.create(NODES, {"metadata": {"name": "a"}, "spec": {"taints": [other]}})
    assert made["spec"]["taints"] == [other, not_ready]
    again = await api.client.create(NODES, {"metadata": {"name": "b"}, "spec": {"taints": [not_ready]}})
    assert again["spec"]["taints"] == [not_ready]


async def test_a_claim_gets_the_default_storage_class_unless_it_names_one(api: Api) -> None:
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    await api.client.create(
        STORAGE_CLASSES, {"metadata": {"name": "std", "annotations": marked}, "provisioner": "p.test"}
    )

    async def claim(name: str, **spec: str) -> str:
        wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
        made = await api.client.create(
            CLAIMS, {"metadata": {"name": name}, "spec": wanted}, namespace="default"
        )
        return str(made["spec"]["storageClassName"])

    assert await claim("a") == "std"
    assert await claim("b", storageClassName="") == ""
    assert await claim("c", storageClassName="other") == "other"


def test_a_request_meets_only_the_plugins_that_concern_it() -> None:
    class Narrow(Rule):
        def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
            return (operation, resource.resource, subresource) == (CREATE, "pods", "")

        async def validate(self, attempt: Attempt) -> None:
            attempt.warnings.append("seen")

    narrow = Narrow()
    chain = Chain([narrow])
    assert chain.concerned(CREATE, GroupResource("", "pods")) == ((), (narrow,))
    assert chain.concerned(CREATE, GroupResource("", "secrets")) == ((), ())
    mutating = default_chain().concerned(CREATE, GroupResource("", "configmaps")).mutating
    assert [type(plugin).__name__ for plugin in mutating] == [
        "NamespaceLifecycle", "MutatingPolicies", "MutatingWebhooks",
    ]  # fmt: skip
