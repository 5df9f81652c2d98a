"""Pods with ResourceClaims: what a node says that has no drivers for devices.

Devices are prepared by drivers, which register with a node over sockets that only nodes of a real kubelet
have. So here no driver ever is registered, and a pod whose claims name one gets no sandbox; that is what a
kubelet says as well when the driver does not run on its node. Where containers are only played, devices are.

Source: kubernetes/pkg/kubelet/cm/dra/manager.go.
"""

from kube_lite.api import meta
from kube_lite.api.errors import ApiError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import Client

CLAIMS = GroupVersionResource("resource.k8s.io", "v1", "resourceclaims")


class NotPrepared(Exception):
    """The devices of a pod cannot be used here; the message is a kubelet's."""


async def prepare_devices(client: Client, pod: Json) -> None:
    """Have the devices of a pod's claims prepared.

    Raises:
        NotPrepared: that is not possible, be it for now.
    """
    metadata = pod["metadata"]
    for name in _claim_names(pod):
        try:
            claim = await client.get(CLAIMS, name, namespace=metadata["namespace"])
        except ApiError as error:
            raise _not_prepared(f"fetch ResourceClaim {name}: {error.message}") from error
        status = claim.get("status") or {}
        if all(entry["uid"] != metadata["uid"] for entry in status.get("reservedFor") or ()):
            who, what = f"{metadata['name']} ({metadata['uid']})", f"{name} ({meta.uid_of(claim)})"
            raise _not_prepared(f"pod {who} is not allowed to use ResourceClaim {what}")
        if not status.get("allocation"):
            raise _not_prepared(f"ResourceClaim {name}: not allocated")
        for result in status["allocation"]["devices"].get("results") or ():
            raise _not_prepared(f"DRA driver {result['driver']} is not registered")


def _not_prepared(why: str) -> NotPrepared:
    return NotPrepared(f"Failed to prepare dynamic resources: prepare dynamic resources: {why}")


def _claim_names(pod: Json) -> list[str]:
    """The claims of a pod, its extended resources' among them.

    Raises:
        NotPrepared: one of them was not made yet.
    """
    status, names = pod.get("status") or {}, []
    told = {
        entry["name"]: entry.get("resourceClaimName") for entry in status.get("resourceClaimStatuses") or ()
    }
    for entry in pod["spec"].get("resourceClaims") or ():
        if not entry.get("resourceClaimName") and entry["name"] not in told:
            name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            raise _not_prepared(f'pod "{name}": ResourceClaim not created yet')
        names.append(entry.get("resourceClaimName") or told[entry["name"]])
    names.append((status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName"))
    return list(filter(None, names))
