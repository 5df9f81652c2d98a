"""Defaults of the kinds that govern a cluster: roles, priorities, admission, aggregation, definitions."""

from kube_lite.api.identity import Json

from . import Default

RBAC = "rbac.authorization.k8s.io"
HTTPS = 443
WEBHOOK_SECONDS = 10


def default_binding(binding: Json) -> None:
    """Roles, users and groups are of the RBAC group; service accounts are of the core group."""
    reference = binding.get("roleRef")
    if reference is not None:
        reference["apiGroup"] = reference.get("apiGroup") or RBAC
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", RBAC)


def default_priority_class(priority: Json) -> None:
    """The important may push others out."""
    priority.setdefault("preemptionPolicy", "PreemptLowerPriority")


def default_webhooks(configuration: Json) -> None:
    """A webhook that does not answer in ten seconds refuses."""
    is_mutating = configuration.get("kind") == "MutatingWebhookConfiguration"
    for webhook in configuration.get("webhooks") or ():
        webhook.setdefault("failurePolicy", "Fail")
        webhook.setdefault("matchPolicy", "Equivalent")
        webhook.setdefault("namespaceSelector", {})
        webhook.setdefault("objectSelector", {})
        webhook.setdefault("timeoutSeconds", WEBHOOK_SECONDS)
        if is_mutating:
            webhook.setdefault("reinvocationPolicy", "Never")
        for rule in webhook.get("rules") or ():
            rule.setdefault("scope", "*")
        service = (webhook.get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", HTTPS)


def default_admission_policy(policy: Json) -> None:
    """A policy that cannot be evaluated refuses."""
    spec = policy.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    if spec.get("matchConstraints") is not None:
        _default_match(spec["matchConstraints"])
    elif policy.get("kind") == "MutatingAdmissionPolicy":
        spec.pop("matchConstraints", None)


def default_admission_binding(binding: Json) -> None:
    """Where it says what it matches, it does so in the same way as its policy."""
    spec = binding.setdefault("spec", {})
    if spec.get("matchResources") is not None:
        _default_match(spec["matchResources"])


def _default_match(match: Json) -> None:
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for rule in (*(match.get("resourceRules") or ()), *(match.get("excludeResourceRules") or ())):
        rule.setdefault("scope", "*")


def default_flow_schema(schema: Json) -> None:
    """In the middle of the order."""
    spec = schema.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000


def default_priority_level(level: Json) -> None:
    """Shares and queues."""
    spec = level.setdefault("spec", {})
    exempt, limited = spec.get("exempt"), spec.get("limited")
    if spec.get("type") == "Exempt" and exempt is None:
        exempt = spec["exempt"] = {}
    if exempt is not None:
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    if limited is None:
        return
    if limited.get("nominalConcurrencyShares") is None:
        limited["nominalConcurrencyShares"] = 30
    limited.setdefault("lendablePercent", 0)
    queuing = (limited.get("limitResponse") or {}).get("queuing")
    if queuing is not None:
        queuing["queues"] = queuing.get("queues") or 64
        queuing["handSize"] = queuing.get("handSize") or 8
        queuing["queueLengthLimit"] = queuing.get("queueLengthLimit") or 50


def default_api_service(service: Json) -> None:
    """Behind the usual port."""
    reference = (service.get("spec") or {}).get("service")
    if reference is not None:
        reference.setdefault("port", HTTPS)


def default_definition(definition: Json) -> None:
    """A CustomResourceDefinition: the names that follow from the kind, and versions without conversion."""
    spec = definition.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind:
        names["singular"] = names.get("singular") or kind.lower()
        names["listKind"] = names.get("listKind") or f"{kind}List"
    conversion = spec.setdefault("conversion", {})
    conversion.setdefault("strategy", "None")
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", HTTPS)


ADMISSION = "admissionregistration.k8s.io"

DEFAULTS: dict[tuple[str, str], Default] = {
    (RBAC, "RoleBinding"): default_binding,
    (RBAC, "ClusterRoleBinding"): default_binding,
    ("scheduling.k8s.io", "PriorityClass"): default_priority_class,
    (ADMISSION, "MutatingWebhookConfiguration"): default_webhooks,
    (ADMISSION, "ValidatingWebhookConfiguration"): default_webhooks,
    (ADMISSION, "ValidatingAdmissionPolicy"): default_admission_policy,
    (ADMISSION, "MutatingAdmissionPolicy"): default_admission_policy,
    (ADMISSION, "ValidatingAdmissionPolicyBinding"): default_admission_binding,
    (ADMISSION, "MutatingAdmissionPolicyBinding"): default_admission_binding,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): default_flow_schema,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): default_priority_level,
    ("apiregistration.k8s.io", "APIService"): default_api_service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): default_definition,
}
