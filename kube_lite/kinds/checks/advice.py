"""Warnings: objects that are accepted and will probably disappoint.

Of a change only what it brings is told, where the kind can say that: templates when they were changed, names
never again. Source: ``WarningsOnCreate`` and ``WarningsOnUpdate`` of the strategies in ``pkg/registry``, and
``pkg/api/service/warnings.go``.
"""

from collections.abc import Callable, Iterator, Sequence

from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.names import check_label
from kube_lite.api.quantity import parse_quantity

from .address_advice import advise_address, advise_block
from .pod_advice import OLD_NODE_LABELS, advise_claim_spec, advise_node_term, advise_pod, advise_template

Advice = Callable[[Json], Iterator[str]]

ENFORCE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
INGRESS_CLASS = "kubernetes.io/ingress.class"
OLD_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
POD_NAME = "this is used in the Pod's hostname"
WORKLOAD_NAME = "this is used in Pod names and hostnames"
STATIC_SUFFIX = ".static.k8s.io"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
OWN_SLICES = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
MANY_COMPLETIONS, MANY_AT_ONCE = 100_000, 10_000


def advise(gvk: GroupVersionKind, obj: Json) -> Sequence[str]:
    """Every warning about a new object, in order."""
    advice = ADVICE.get((gvk.group, gvk.kind))
    return tuple(advice(obj)) if advice is not None else ()


def advise_change(gvk: GroupVersionKind, obj: Json, old: Json) -> Sequence[str]:
    """Every warning about a change, in order."""
    change = CHANGES.get((gvk.group, gvk.kind))
    return advise(gvk, obj) if change is None else tuple(change(obj, old))


def _definition(definition: Json) -> Iterator[str]:
    from .definitions import advise_definition  # most kinds do without

    yield from advise_definition(definition)


def _pod(pod: Json) -> Iterator[str]:
    yield from _name(pod, POD_NAME)
    yield from advise_pod(pod)


def _template(obj: Json) -> Iterator[str]:
    yield from advise_template(_spec(obj).get("template") or {}, "spec.template")


def _named_template(obj: Json) -> Iterator[str]:
    yield from _name(obj, WORKLOAD_NAME)
    yield from _template(obj)


def _statefulset(obj: Json) -> Iterator[str]:
    yield from _template(obj)
    yield from _claims_and_history(obj, "")


def _claims_and_history(obj: Json, below: str) -> Iterator[str]:
    for position, claim in enumerate(_spec(obj).get("volumeClaimTemplates") or ()):
        yield from advise_claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{position}]{below}")
    if (_spec(obj).get("revisionHistoryLimit") or 0) < 0:
        yield (
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is "
            "recommended"
        )


def _job(job: Json) -> Iterator[str]:
    yield from _name(job, WORKLOAD_NAME)
    yield from _job_spec(_spec(job), "spec")


def _cronjob(cronjob: Json) -> Iterator[str]:
    yield from _name(cronjob, WORKLOAD_NAME)
    yield from _job_template(cronjob)


def _job_template(cronjob: Json) -> Iterator[str]:
    yield from _job_spec(_spec(_spec(cronjob).get("jobTemplate") or {}), "spec.jobTemplate.spec")


def _job_spec(spec: Json, path: str) -> Iterator[str]:
    many = (spec.get("completions") or 0) > MANY_COMPLETIONS
    if spec.get("completionMode") == "Indexed" and many and (spec.get("parallelism") or 0) > MANY_AT_ONCE:
        yield (
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher "
            "than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes "
            "fail"
        )
    yield from advise_template(spec.get("template") or {}, f"{path}.template")


def _pod_template(obj: Json) -> Iterator[str]:
    yield from advise_template(obj.get("template") or {}, "template")


def _name(obj: Json, use: str) -> Iterator[str]:
    name = obj["metadata"].get("name") or ""
    wrong = check_label(name) if name else []
    if wrong:
        yield (
            f"metadata.name: {use}, which can result in surprising behavior; a DNS label is recommended: "
            f"[{' '.join(wrong)}]"
        )


def _spec(obj: Json) -> Json:
    return obj.get("spec") or {}


def _annotations(obj: Json) -> Json:
    return obj["metadata"].get("annotations") or {}


def _service(service: Json) -> Iterator[str]:
    spec = _spec(service)
    if "service.kubernetes.io/topology-aware-hints" in _annotations(service):
        yield (
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use "
            "service.kubernetes.io/topology-mode instead"
        )
    is_headless = spec.get("type", "ClusterIP") == "ClusterIP" and spec.get("clusterIP") == "None"
    outside, balancer = spec.get("externalIPs") or (), spec.get("loadBalancerIP")
    if spec.get("clusterIP") not in (None, "", "None"):
        for position, address in enumerate(spec.get("clusterIPs") or ()):
            yield from advise_address(f"spec.clusterIPs[{position}]", address)
    if is_headless:
        yield from _headless(spec)
    for position, address in enumerate(outside):
        yield from advise_address(f"spec.externalIPs[{position}]", address)
    is_name = spec.get("type") == "ExternalName"
    if outside and not is_headless and not is_name:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if balancer:
        yield from advise_address("spec.loadBalancerIP", balancer)
    for position, block in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from advise_block(f"spec.loadBalancerSourceRanges[{position}]", block)
    yield from _service_kind(spec, is_name=is_name, has_outside=bool(outside))


def _headless(spec: Json) -> Iterator[str]:
    if spec.get("loadBalancerIP"):
        yield "spec.loadBalancerIP is ignored for headless services"
    if spec.get("externalIPs"):
        yield "spec.externalIPs is ignored for headless services"
    if spec.get("sessionAffinity", "None") != "None":
        yield "spec.SessionAffinity is ignored for headless services"


def _service_kind(spec: Json, *, is_name: bool, has_outside: bool) -> Iterator[str]:
    if is_name and has_outside:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if not is_name and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _ingress(ingress: Json) -> Iterator[str]:
    if INGRESS_CLASS in _annotations(ingress) and _spec(ingress).get("ingressClassName") is None:
        yield f"annotation \"{INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"


def _account(account: Json) -> Iterator[str]:
    if ENFORCE_SECRETS in _annotations(account):
        yield (
            f"metadata.annotations[{ENFORCE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to "
            "isolate access to mounted secrets"
        )


def _changed_account(account: Json, old: Json) -> Iterator[str]:
    if ENFORCE_SECRETS not in _annotations(old):
        yield from _account(account)


def _slice(endpoint_slice: Json) -> Iterator[str]:
    if endpoint_slice.get("addressType") == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"
    yield from _slice_addresses(endpoint_slice)


def _slice_addresses(endpoint_slice: Json) -> Iterator[str]:
    labels = endpoint_slice["metadata"].get("labels") or {}
    if labels.get("endpointslice.kubernetes.io/managed-by") in OWN_SLICES:
        return
    for position, endpoint in enumerate(endpoint_slice.get("endpoints") or ()):
        for index, address in enumerate(endpoint.get("addresses") or ()):
            yield from advise_address(f"endpoints[{position}].addresses[{index}]", address)


def _endpoints(endpoints: Json) -> Iterator[str]:
    labels = endpoints["metadata"].get("labels") or {}
    if labels.get("endpoints.kubernetes.io/managed-by") == "endpoint-controller":
        return
    for position, subset in enumerate(endpoints.get("subsets") or ()):
        for field in ("addresses", "notReadyAddresses"):
            for index, address in enumerate(subset.get(field) or ()):
                yield from advise_address(f"subsets[{position}].{field}[{index}].ip", address.get("ip", ""))


def _policy(policy: Json) -> Iterator[str]:
    for field, peers in (("ingress", "from"), ("egress", "to")):
        for position, rule in enumerate(_spec(policy).get(field) or ()):
            for index, peer in enumerate(rule.get(peers) or ()):
                block, where = peer.get("ipBlock"), f"spec.{field}[{position}].{peers}[{index}].ipBlock"
                if block:
                    yield from advise_block(f"{where}.cidr", block.get("cidr", ""))
                    for number, other in enumerate(block.get("except") or ()):
                        yield from advise_block(f"{where}.except[{number}]", other)


def _node(node: Json) -> Iterator[str]:
    if _spec(node).get("configSource") is not None:
        yield "spec.configSource: the feature is removed"
    if _spec(node).get("externalID"):
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
    for position, block in enumerate(_spec(node).get("podCIDRs") or ()):
        yield from advise_block(f"spec.podCIDRs[{position}]", block)


OLD_VOLUMES = {
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


def _volume(volume: Json) -> Iterator[str]:
    spec = _spec(volume)
    if OLD_STORAGE_CLASS in _annotations(volume):
        told = 'deprecated since v1.8; use "storageClassName" attribute instead'
        yield f"metadata.annotations[{OLD_STORAGE_CLASS}]: {told}"
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the "
            "recommended approach is to use dynamic provisioning."
        )
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    for position, term in enumerate(terms):
        yield from advise_node_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{position}]")
    for field, told in OLD_VOLUMES.items():
        if spec.get(field) is not None:
            yield f"spec.{'storageOS' if field == 'storageos' else field}: {told}"


def _claim(claim: Json) -> Iterator[str]:
    if OLD_STORAGE_CLASS in _annotations(claim):
        told = 'deprecated since v1.8; use "storageClassName" attribute instead'
        yield f"metadata.annotations[{OLD_STORAGE_CLASS}]: {told}"
    yield from advise_claim_spec(_spec(claim), "spec")


def _storage_class(storage_class: Json) -> Iterator[str]:
    for position, term in enumerate(storage_class.get("allowedTopologies") or ()):
        for index, expression in enumerate(term.get("matchLabelExpressions") or ()):
            told = OLD_NODE_LABELS.get(expression.get("key", ""))
            if told:
                yield f"allowedTopologies[{position}].matchLabelExpressions[{index}].key: {told}"


def _capacity(capacity: Json) -> Iterator[str]:
    selector = capacity.get("nodeTopology") or {}
    yield from advise_node_term(selector, "nodeTopology")
    for label in selector.get("matchLabels") or ():
        if label in OLD_NODE_LABELS:
            yield f"nodeTopology.matchLabels.{label}: {OLD_NODE_LABELS[label]}"


def _runtime_class(runtime_class: Json) -> Iterator[str]:
    for label in (runtime_class.get("scheduling") or {}).get("nodeSelector") or ():
        if label in OLD_NODE_LABELS:
            yield f"scheduling.nodeSelector: {OLD_NODE_LABELS[label]}"


def _quota(quota: Json) -> Iterator[str]:
    hard = _spec(quota).get("hard") or {}
    for name in ("cpu", "memory", "storage", "ephemeral-storage"):
        request, limit = f"requests.{name}", f"limits.{name}"
        if request not in hard and name in ("cpu", "memory"):
            request = name
        if request in hard and limit in hard and parse_quantity(hard[request]) > parse_quantity(hard[limit]):
            less = f"{limit} ({parse_quantity(hard[limit])})"
            yield f"ResourceQuota {request} ({parse_quantity(hard[request])}) should be less than {less}"


def _device_slice(device_slice: Json) -> Iterator[str]:
    driver = _spec(device_slice).get("driver", "")
    if driver != driver.lower():
        told = f'driver names should be lowercase; "{driver}" contains uppercase characters'
        yield f"spec.driver: {told}"


def _static_name(obj: Json) -> Iterator[str]:
    if obj["metadata"].get("name", "").endswith(STATIC_SUFFIX):
        yield (
            f'metadata.name: names ending with "{STATIC_SUFFIX}" are reserved for static manifest-based '
            "configurations and cannot be managed via the API"
        )


def _driver(driver: Json) -> Iterator[str]:
    spec = _spec(driver)
    if spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None:
        yield (
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to "
            "prevent possible logging of tokens in volume attributes"
        )


def _changed_driver(driver: Json, old: Json) -> Iterator[str]:
    if (_spec(driver).get("tokenRequests") or []) != (_spec(old).get("tokenRequests") or []):
        yield from _driver(driver)


def _nothing(obj: Json, old: Json) -> Iterator[str]:
    return iter(())


def _once_changed(advice: Advice) -> Callable[[Json, Json], Iterator[str]]:
    """That of a spec which is another than before."""

    def change(obj: Json, old: Json) -> Iterator[str]:
        if obj["metadata"].get("generation") != old["metadata"].get("generation"):
            yield from advice(obj)

    return change


def _changed_daemonset(obj: Json, old: Json) -> Iterator[str]:
    if _annotations(obj).get(TEMPLATE_GENERATION) != _annotations(old).get(TEMPLATE_GENERATION):
        yield from _template(obj)


def _changed_statefulset(obj: Json, old: Json) -> Iterator[str]:
    yield from _once_changed(_template)(obj, old)
    yield from _claims_and_history(obj, ".Spec")


def _changed_controller(obj: Json, old: Json) -> Iterator[str]:
    if obj["metadata"].get("generation") != old["metadata"].get("generation"):
        yield from _template(old)  # sic: the reference looks at the one that was


def _changed_cronjob(obj: Json, old: Json) -> Iterator[str]:
    yield from _once_changed(_job_template)(obj, old)
    if "TZ" in _spec(obj).get("schedule", ""):
        yield (
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/"
            "docs/concepts/workloads/controllers/cron-jobs/ for more details"
        )


def _secret(secret: Json) -> Iterator[str]:
    if secret.get("type") == "kubernetes.io/tls":
        from .key_pairs import advise_key_pair  # most Secrets are none

        yield from advise_key_pair(secret.get("data") or {})


_ADMISSION = "admissionregistration.k8s.io"
ADVICE: dict[tuple[str, str], Advice] = {
    ("", "Endpoints"): _endpoints,
    ("", "Node"): _node,
    ("", "PersistentVolume"): _volume,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "PodTemplate"): _pod_template,
    ("", "ReplicationController"): _named_template,
    ("", "ResourceQuota"): _quota,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("", "ServiceAccount"): _account,
    (_ADMISSION, "MutatingAdmissionPolicy"): _static_name,
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): _static_name,
    (_ADMISSION, "MutatingWebhookConfiguration"): _static_name,
    (_ADMISSION, "ValidatingAdmissionPolicy"): _static_name,
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): _static_name,
    (_ADMISSION, "ValidatingWebhookConfiguration"): _static_name,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apps", "DaemonSet"): _template,
    ("apps", "Deployment"): _named_template,
    ("apps", "ReplicaSet"): _named_template,
    ("apps", "StatefulSet"): _statefulset,
    ("batch", "CronJob"): _cronjob,
    ("batch", "Job"): _job,
    ("discovery.k8s.io", "EndpointSlice"): _slice,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("networking.k8s.io", "NetworkPolicy"): _policy,
    ("node.k8s.io", "RuntimeClass"): _runtime_class,
    ("resource.k8s.io", "ResourceSlice"): _device_slice,
    ("storage.k8s.io", "CSIDriver"): _driver,
    ("storage.k8s.io", "CSIStorageCapacity"): _capacity,
    ("storage.k8s.io", "StorageClass"): _storage_class,
}
CHANGES: dict[tuple[str, str], Callable[[Json, Json], Iterator[str]]] = {
    ("", "Pod"): _nothing,
    ("", "PodTemplate"): _once_changed(_pod_template),
    ("", "ReplicationController"): _changed_controller,
    ("", "ResourceQuota"): _nothing,
    ("", "ServiceAccount"): _changed_account,
    ("apps", "DaemonSet"): _changed_daemonset,
    ("apps", "Deployment"): _once_changed(_template),
    ("apps", "ReplicaSet"): _once_changed(_template),
    ("apps", "StatefulSet"): _changed_statefulset,
    ("batch", "CronJob"): _changed_cronjob,
    ("batch", "Job"): _once_changed(lambda job: _job_spec(_spec(job), "spec")),
    ("discovery.k8s.io", "EndpointSlice"): lambda obj, old: _slice_addresses(obj),
    ("networking.k8s.io", "Ingress"): _nothing,
    ("storage.k8s.io", "CSIDriver"): _changed_driver,
}
"""What is said of changes, where that is not what is said of new objects."""
