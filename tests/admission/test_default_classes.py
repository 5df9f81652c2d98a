"""Classes that are not named, and claims that grow."""

import pytest

from kube_lite.api.errors import Forbidden
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import PatchType
from tests.serving import Api

CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")
STORAGE_CLASSES = GroupVersionResource("storage.k8s.io", "v1", "storageclasses")
INGRESSES = GroupVersionResource("networking.k8s.io", "v1", "ingresses")
INGRESS_CLASSES = GroupVersionResource("networking.k8s.io", "v1", "ingressclasses")
BACKEND: Json = {"defaultBackend": {"service": {"name": "s", "port": {"number": 1}}}}


async def ingress(api: Api, name: str, annotations: Json | None = None, **spec: object) -> str:
    made = {"metadata": {"name": name, "annotations": annotations or {}}, "spec": {**BACKEND, **spec}}
    found = await api.client.create(INGRESSES, made, namespace="default")
    return str(found["spec"].get("ingressClassName", ""))


async def test_an_ingress_without_a_class_gets_the_default_one(api: Api) -> None:
    assert await ingress(api, "before") == ""
    marked = {"name": "usual", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    usual = {"metadata": marked, "spec": {"controller": "example.test/a"}}
    await api.client.create(INGRESS_CLASSES, usual)
    assert await ingress(api, "plain") == "usual"
    assert await ingress(api, "chosen", ingressClassName="other") == "other"
    assert await ingress(api, "old", {"kubernetes.io/ingress.class": "x"}) == ""


@pytest.mark.parametrize("may_grow", [True, False])
async def test_a_claim_grows_only_where_its_class_allows_it(api: Api, may_grow: bool) -> None:
    made = {"metadata": {"name": "disks"}, "provisioner": "example.test/d", "allowVolumeExpansion": may_grow}
    await api.client.create(STORAGE_CLASSES, made)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "a"}, "spec": {**spec, "storageClassName": "disks"}}
    found = await api.client.create(CLAIMS, claim, namespace="default")
    bound = {**found, "status": {"phase": "Bound"}}
    await api.client.update(CLAIMS, bound, namespace="default", subresource="status")
    patch = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}

    async def grow() -> Json:
        return await api.client.patch(CLAIMS, "a", patch, namespace="default", patch_type=PatchType.MERGE)

    if may_grow:
        assert (await grow())["spec"]["resources"]["requests"]["storage"] == "2Gi"
    else:
        with pytest.raises(Forbidden, match="only dynamically provisioned pvc can be resized"):
            await grow()
