"""Rules for PodSecurityPolicies, which no release of today has.

Source: ``ValidatePodSecurityPolicySpec`` in ``pkg/apis/policy/validation``, 1.24.
"""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import invalid, not_supported, required
from kube_lite.api.identity import Json

GROUP_RULES = ("MayRunAs", "MustRunAs", "RunAsAny")
STRATEGIES = (
    ("runAsUser", ("MustRunAs", "MustRunAsNonRoot", "RunAsAny")),
    ("seLinux", ("MustRunAs", "RunAsAny")),
    ("supplementalGroups", GROUP_RULES),
    ("fsGroup", GROUP_RULES),
)
"""Field → the rules that it knows, in the order in which upstream looks at them."""
VOLUMES = (
    "*", "awsElasticBlockStore", "azureDisk", "azureFile", "cephFS", "cinder", "configMap", "csi",
    "downwardAPI", "emptyDir", "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk", "gitRepo",
    "glusterfs", "hostPath", "iscsi", "nfs", "none", "persistentVolumeClaim", "photonPersistentDisk",
    "portworxVolume", "projected", "quobyte", "rbd", "scaleIO", "secret", "storageos", "vsphereVolume",
)  # fmt: skip


def check_pod_security(policy: Json) -> Iterator[Cause]:
    """A PodSecurityPolicy."""
    spec = policy.get("spec") or {}
    for field, rules in STRATEGIES:
        yield from _check_strategy(spec.get(field) or {}, f"spec.{field}", rules)
    if spec.get("runAsGroup") is not None:
        yield from _check_strategy(spec["runAsGroup"], "spec.runAsGroup", GROUP_RULES)
    for position, volume in enumerate(spec.get("volumes") or ()):
        if volume not in VOLUMES:
            yield not_supported(f"spec.volumes[{position}]", volume, VOLUMES)
    for position, path in enumerate(spec.get("allowedHostPaths") or ()):
        if not path.get("pathPrefix"):
            yield required(f"spec.allowedHostPaths[{position}]", "is required")
    for field, named in (("allowedFlexVolumes", "driver"), ("allowedCSIDrivers", "name")):
        for position, entry in enumerate(spec.get(field) or ()):
            if not entry.get(named):
                yield required(f"spec.{field}[{position}].{named}", f"must specify a {named}")


def _check_strategy(strategy: Json, path: str, rules: tuple[str, ...]) -> Iterator[Cause]:
    rule = strategy.get("rule") or ""
    if rule not in rules:
        yield not_supported(f"{path}.rule", rule, rules)
    for position, span in enumerate(strategy.get("ranges") or ()):
        here = f"{path}.ranges[{position}]"
        low, high = span.get("min", 0), span.get("max", 0)
        for field, value in (("min", low), ("max", high)):
            if value < 0:
                yield invalid(f"{here}.{field}", value, f"{field} cannot be negative")
        if low > high:
            yield invalid(f"{here}.min", low, "min cannot be greater than max")
