"""Rules for webhooks and admission policies; CEL is loaded when the first of them has an expression."""

from collections.abc import Iterator, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, invalid, one_of, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label_1035, check_subdomain

from .match_rules import check_match_resources, check_match_rules, check_param_kind, check_param_reference
from .selectors import check_label_selector
from .webhook_clients import check_client

VERSIONS = ("v1", "v1beta1")
CHANGEABLE = ("*", "CONNECT", "CREATE", "UPDATE")
"""Operations whose objects a policy may change."""
EFFECTS = ("None", "NoneOnDryRun")
SEGMENTS_MIN = 3


def check_webhooks(configuration: Json) -> Iterator[Cause]:
    """The webhooks of a configuration."""
    names: set[str] = set()
    for position, webhook in enumerate(configuration.get("webhooks") or ()):
        here = f"webhooks[{position}]"
        yield from _check_webhook(webhook, here)
        yield from _check_versions(webhook.get("admissionReviewVersions") or (), here)
        name = webhook.get("name") or ""
        if name and name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)


def _check_webhook(webhook: Json, path: str) -> Iterator[Cause]:
    yield from _check_name(webhook.get("name") or "", f"{path}.name")
    yield from check_match_rules(webhook.get("rules") or (), f"{path}.rules")
    for field, known in (("failurePolicy", ("Fail", "Ignore")), ("matchPolicy", ("Equivalent", "Exact"))):
        if webhook.get(field) is not None:
            yield from one_of(f"{path}.{field}", webhook[field], known)
    effects = webhook.get("sideEffects")
    if effects is None:
        yield required(f"{path}.sideEffects", f"must specify one of {', '.join(EFFECTS)}")
    else:
        yield from one_of(f"{path}.sideEffects", effects, EFFECTS)
    seconds = webhook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        yield invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
    for field in ("namespaceSelector", "objectSelector"):
        yield from check_label_selector(webhook.get(field), f"{path}.{field}")
    if webhook.get("reinvocationPolicy") is not None:
        yield from one_of(f"{path}.reinvocationPolicy", webhook["reinvocationPolicy"], ("IfNeeded", "Never"))
    yield from check_client(f"{path}.clientConfig", webhook.get("clientConfig") or {})
    yield from _check_conditions(webhook.get("matchConditions") or (), f"{path}.matchConditions")


def _check_versions(versions: Sequence[str], path: str) -> Iterator[Cause]:
    path = f"{path}.admissionReviewVersions"
    if not versions:
        yield required(path, f"must specify one of {', '.join(VERSIONS)}")
        return
    for position, version in enumerate(versions):
        if version in versions[:position]:
            yield invalid(f"{path}[{position}]", version, "duplicate version")
        else:
            yield from each(f"{path}[{position}]", version, check_label_1035(version))
    if not set(versions) & set(VERSIONS):
        yield invalid(path, list(versions), f"must include at least one of {', '.join(VERSIONS)}")


def _check_conditions(conditions: Sequence[Json], path: str, *, has_params: bool = False) -> Iterator[Cause]:
    if conditions:
        from .policy_expressions import check_conditions

        yield from check_conditions(conditions, path, has_params=has_params)


def _check_name(name: str, path: str) -> Iterator[Cause]:
    if not name:
        yield required(path)
        return
    wrong = check_subdomain(name)
    yield from each(path, name, wrong)
    if not wrong and len(name.split(".")) < SEGMENTS_MIN:
        yield invalid(path, name, "should be a domain with at least three segments separated by dots")


def check_policy(policy: Json) -> Iterator[Cause]:
    """A ValidatingAdmissionPolicy."""
    from .policy_expressions import PolicyExpressions

    spec = policy.get("spec") or {}
    yield from _check_subject(spec)
    expressions = PolicyExpressions(policy)
    yield from expressions.check_variables()
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        for field in ("validations", "auditAnnotations"):
            why = "validations or auditAnnotations must contain at least one item"
            yield required(f"spec.{field}", why)
    yield from expressions.check_validations()
    yield from expressions.check_annotations()


def check_mutating_policy(policy: Json) -> Iterator[Cause]:
    """A MutatingAdmissionPolicy."""
    from .policy_expressions import PolicyExpressions

    spec = policy.get("spec") or {}
    yield from _check_subject(spec, has_patches=True)
    expressions = PolicyExpressions(policy, has_patches=True)
    yield from expressions.check_variables()
    if not spec.get("mutations"):
        yield required("spec.mutations", "mutations must contain at least one item")
    yield from expressions.check_mutations()
    again = spec.get("reinvocationPolicy")
    if again:
        yield from one_of("spec.reinvocationPolicy", again, ("IfNeeded", "Never"))
    else:
        yield required("spec.reinvocationPolicy")


def _check_operations(match: Json, path: str) -> Iterator[Cause]:
    """What is deleted cannot be changed any more."""
    for rule in match.get("resourceRules") or ():
        for operation in rule.get("operations") or ():
            yield from one_of(f"{path}.resourceRules.operations", operation, CHANGEABLE)


def _check_subject(spec: Json, *, has_patches: bool = False) -> Iterator[Cause]:
    """What a policy is about, and what becomes of failures."""
    if spec.get("failurePolicy") is not None:
        yield from one_of("spec.failurePolicy", spec["failurePolicy"], ("Fail", "Ignore"))
    has_params = spec.get("paramKind") is not None
    if has_params:
        yield from check_param_kind(spec["paramKind"], "spec.paramKind")
    match = spec.get("matchConstraints")
    if match is None:
        yield required("spec.matchConstraints")
    else:
        yield from check_match_resources(match, "spec.matchConstraints")
        if not match.get("resourceRules"):
            yield required("spec.matchConstraints.resourceRules")
        if has_patches:
            yield from _check_operations(match, "spec.matchConstraints")
    conditions = spec.get("matchConditions") or ()
    yield from _check_conditions(conditions, "spec.matchConditions", has_params=has_params)


def check_policy_binding(binding: Json) -> Iterator[Cause]:
    """A ValidatingAdmissionPolicyBinding."""
    yield from _check_reference(binding)
    actions = (binding.get("spec") or {}).get("validationActions") or ()
    yield from _check_actions(actions, "spec.validationActions")


def check_mutating_binding(binding: Json) -> Iterator[Cause]:
    """A MutatingAdmissionPolicyBinding."""
    yield from _check_reference(binding)
    yield from _check_operations(
        (binding.get("spec") or {}).get("matchResources") or {}, "spec.matchResources"
    )


def _check_reference(binding: Json) -> Iterator[Cause]:
    """Which policy is meant, with what parameters, and where."""
    spec = binding.get("spec") or {}
    name = spec.get("policyName") or ""
    if name:
        yield from each("spec.policyName", name, check_subdomain(name))
    else:
        yield required("spec.policyName")
    if spec.get("paramRef") is not None:
        yield from check_param_reference(spec["paramRef"], "spec.paramRef")
    yield from check_match_resources(spec.get("matchResources") or {}, "spec.matchResources")


def _check_actions(actions: Sequence[str], path: str) -> Iterator[Cause]:
    for position, action in enumerate(actions):
        yield from one_of(f"{path}[{position}]", action, ("Audit", "Deny", "Warn"))
        if action in actions[:position]:
            yield duplicate(f"{path}[{position}]", action)
    if "Deny" in actions and "Warn" in actions:
        why = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the "
            "API response and headers serves no purpose)"
        )
        yield invalid(path, list(actions), why)
    if not actions:
        yield required(path, "at least one validation action is required")
