"""What is wrong with the types in ValidatingAdmissionPolicies, written into their status.

Source: ``pkg/controller/validatingadmissionpolicystatus``.
"""

from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, ObjectKey
from kube_lite.api.policy_types import SchemaOf, type_warnings
from kube_lite.api.resource import Registry
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, PatchType
from kube_lite.kit.clock import Clock

POLICIES = GroupVersionResource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
MANAGER = "validatingadmissionpolicy-status"


class PolicyTypes(Controller):
    """Checks each policy once for each generation.

    Args:
        schema_of: what objects of a kind look like.
    """

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, resources: Registry, schema_of: SchemaOf
    ) -> None:
        super().__init__("policytypes", clock)
        self._client = client
        self._resources = resources
        self._schema_of = schema_of
        self._policies = informers.informer(POLICIES)
        self.watch(self._policies)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Check what has changed since it was checked."""
        policy = self._policies.get(key)
        if policy is None:
            return None
        generation = policy["metadata"].get("generation", 0)
        if generation <= (policy.get("status") or {}).get("observedGeneration", 0):
            return None
        warnings = type_warnings(policy, self._kind_of, self._schema_of)
        status = {
            "observedGeneration": generation,
            "typeChecking": {"expressionWarnings": warnings} if warnings else {},
        }
        applied = {
            "apiVersion": POLICIES.api_version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": key.name},
            "status": status,
        }
        try:
            await self._client.patch(
                POLICIES, key.name, applied, subresource="status",
                patch_type=PatchType.APPLY, field_manager=MANAGER, force=True,
            )  # fmt: skip
        except NotFound:
            return None
        return None

    def _kind_of(self, resource: GroupVersionResource) -> GroupVersionKind | None:
        row = self._resources.by_gvr(resource)
        return None if row is None else row.gvk
