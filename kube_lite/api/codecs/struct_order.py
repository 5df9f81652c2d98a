"""Objects with their fields in the order of Go's structs, as the reference quotes what it has decoded.

Mostly that is the order of the fields' numbers; ``_MOVED`` has the messages whose structs are otherwise. Keys
of maps are sorted; what the table of messages does not know stays as it is, behind the rest.
Source: the order of fields in the ``generated.proto`` files of k8s.io/api.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from kube_lite.api.identity import Json

from .messages import Field, fields_of, table

_MOVED = """
admissionregistration.v1.MutatingWebhook: 1 2 3 4 9 5 11 6 7 8 10 12
admissionregistration.v1.ValidatingWebhook: 1 2 3 4 9 5 10 6 7 8 11
admissionregistration.v1.WebhookClientConfig apiextensions.v1.WebhookClientConfig: 3 1 2
apiextensions.v1.CustomResourceDefinitionVersion: 1 2 3 7 8 4 5 6 9
apps.v1.DeploymentCondition: 1 2 6 7 4 5
apps.v1.DeploymentStatus: 1 2 3 7 4 5 9 6 8
apps.v1.ReplicaSetSpec core.v1.ReplicationControllerSpec: 1 4 2 3
apps.v1.ReplicaSetStatus: 1 2 4 5 7 3 6
autoscaling.v2.HPAScalingRules: 3 1 2 4
autoscaling.v2.MetricSpec autoscaling.v2.MetricStatus: 1 2 3 4 7 5
batch.v1.CronJobSpec: 1 8 2 3 4 5 6 7
batch.v1.JobSpec: 1 2 3 11 16 7 12 13 4 5 6 8 9 10 14 15
batch.v1.JobStatus: 1 2 3 4 5 6 11 7 10 8 9
certificates.v1.CertificateSigningRequestCondition: 1 6 2 3 4 5
certificates.v1.CertificateSigningRequestSpec: 1 7 8 5 2 3 4 6
core.v1.ClusterTrustBundleProjection: 1 2 3 5 4
core.v1.Container core.v1.EphemeralContainerCommon:
  1 2 3 4 5 6 19 7 8 23 24 25 9 21 10 11 22 12 13 20 14 15 16 17 18
core.v1.EndpointAddress: 1 3 4 2
core.v1.ISCSIPersistentVolumeSource core.v1.ISCSIVolumeSource: 1 2 3 4 5 6 7 8 11 10 12
core.v1.NodeSpec: 1 7 3 4 5 6 2
core.v1.PersistentVolumeClaimSpec: 1 4 2 3 5 6 7 8 9
core.v1.PodCondition: 1 7 2 3 4 5 6
core.v1.PodSecurityContext: 1 8 2 6 3 4 12 5 7 9 10 11 13
core.v1.PodSpec: 1 20 2 34 3 4 5 6 7 8 9 21 10 11 12 13 27
core.v1.PodStatus: 17 1 2 3 4 11 5 16 6 12 7 10 8 9 13 14 15 18 19 20 21
core.v1.ReplicationControllerStatus: 1 2 4 5 3 6
core.v1.SecurityContext: 1 2 3 10 4 8 5 6 7 9 11 12
core.v1.ServicePort: 1 2 6 3 4 5
core.v1.ServiceSpec: 1 2 3 18 4 5 7 8 9 10 11 12 13 14 19 17
core.v1.VolumeMount: 1 2 7 3 4 5 6
core.v1.VolumeSource: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 26 24 25
meta.v1.OwnerReference: 5 1 3 4 6 7
networking.v1.HTTPIngressPath: 1 3 2
networking.v1.IngressBackend: 4 3
networking.v1.IngressSpec: 4 1 2 3
resource.v1.AllocatedDeviceStatus resource.v1beta1.AllocatedDeviceStatus: 1 2 3 7 4 5 6
"""
"""Messages → the numbers of their fields in order; those that are not named follow."""


def in_struct_order(value: Json, message: str) -> Json:
    """A copy of a message's value, all the way down, in the order of its struct."""
    if message not in table():
        return value
    ordered = {
        name: _below(value[name], code) for name, code in _fields(message) if name in value
    }  # fmt: skip
    return ordered | {name: held for name, held in value.items() if name not in ordered}


def _below(value: Any, code: str) -> Any:
    if value is None:
        return None
    if code.startswith("["):
        return [_below(item, code[1:]) for item in value] if isinstance(value, list) else value
    if not isinstance(value, dict):
        return value
    if code.startswith("{"):
        return {key: _below(value[key], code[1:]) for key in sorted(value)}
    return in_struct_order(value, code[1:]) if code.startswith("@") else value


@cache
def _fields(message: str) -> tuple[tuple[str, str], ...]:
    """Name and type of every field in order, those of embedded messages where these stand."""
    return tuple(_in_order(message))


def _in_order(message: str) -> Iterator[tuple[str, str]]:
    fields = fields_of(message)
    first = _moved().get(message, ())
    for number in (*first, *(number for number in sorted(fields) if number not in first)):
        field: Field | None = fields.get(number)
        if field is None:
            continue
        if field.is_inline:
            yield from _fields(field.code.lstrip("@"))
        else:
            yield field.name, field.code


@cache
def _moved() -> dict[str, tuple[int, ...]]:
    found = {}
    for line in _MOVED.replace(":\n", ":").strip().splitlines():
        names, _, numbers = line.partition(":")
        for name in names.split():
            found[name] = tuple(map(int, numbers.split()))
    return found
