"""Rules for Jobs: how many, how often, when they have failed and when they have succeeded.

Source: ``pkg/apis/batch/validation/validation.go``.
"""

from collections.abc import Iterator, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    IMMUTABLE,
    Shown,
    duplicate,
    each,
    immutable,
    invalid,
    invalid_state,
    not_negative,
    not_supported,
    one_of,
    required,
    too_long,
    too_many,
)
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label, check_qualified_name

from .go_struct import go_struct
from .pod_spec import check_template
from .selectors import as_selector, check_label_selector, show_selector
from .values import check_domain_prefixed_path

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
LEGACY_CONTROLLER_UID = "controller-uid"
LEGACY_JOB_NAME = "job-name"
COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
)  # fmt: skip
INDEXED = "Indexed"
INDEXED_MAX, MANY, MANY_MAX = 100_000, 100_000, 10_000
"""How many may run or fail at once, from how many on there is less allowed, and how much then."""
RULES_MAX, CODES_MAX, PATTERNS_MAX, SUCCESS_RULES_MAX = 20, 255, 20, 20
MANAGER_MAX, INDEXES_MAX = 63, 64 * 1024
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")
PLACEMENT = ("nodeSelector", "tolerations", "schedulingGates")
NULL = Shown("null")


def check_job(job: Json) -> Iterator[Cause]:
    """A Job, after its selector and labels were generated."""
    spec, name = job.get("spec") or {}, job["metadata"].get("name") or ""
    if not spec.get("manualSelector") and spec.get("selector") is not None:
        yield from _check_generated(spec, job["metadata"].get("uid") or "", name)
    yield from _check_selected(spec)
    completions = spec.get("completions") or 0
    if spec.get("completionMode") == INDEXED and completions > 0:
        hostname = f"{name}-{completions - 1}"
        if check_label(hostname):
            why = f"will not able to create pod with invalid DNS label: {hostname}"
            yield invalid("metadata.name", name, why)


def _check_selected(spec: Json) -> Iterator[Cause]:
    """All that a Job is, and that it selects its own Pods."""
    yield from check_job_spec(spec, "spec")
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    else:
        yield from check_label_selector(selector, "spec.selector")
    parsed = as_selector(selector)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if parsed is not None and (selector is None or not parsed.matches(labels or {})):
        why = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", NULL if labels is None else labels, why)


def _check_generated(spec: Json, uid: str, name: str) -> Iterator[Cause]:
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    expected = {LEGACY_CONTROLLER_UID: uid, LEGACY_JOB_NAME: name, CONTROLLER_UID: uid, JOB_NAME: name}
    for label, value in expected.items():
        here = f"spec.template.metadata.labels[{label}]"
        if label not in labels:
            yield required(here, f"must be '{value}'")
        elif labels[label] != value:
            yield invalid(here, labels, f"must be '{value}'")
    selector = as_selector(spec["selector"])
    if selector is not None and not selector.matches(expected):
        yield invalid("spec.selector", show_selector(spec["selector"]), "`selector` not auto-generated")


def check_job_spec(spec: Json, path: str) -> Iterator[Cause]:
    """What Jobs and the templates of CronJobs have in common."""
    for field in COUNTS:
        yield from not_negative(f"{path}.{field}", spec.get(field))
    if spec.get("maxFailedIndexes") is not None:
        yield from not_negative(f"{path}.maxFailedIndexes", spec["maxFailedIndexes"])
        if spec.get("backoffLimitPerIndex") is None:
            yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    manager = spec.get("managedBy")
    if manager is not None:
        yield from check_domain_prefixed_path(f"{path}.managedBy", manager)
        if len(manager) > MANAGER_MAX:
            yield too_long(f"{path}.managedBy", MANAGER_MAX)
    yield from _check_mode(spec, path)
    if spec.get("podFailurePolicy") is not None:
        yield from _check_failure_policy(spec, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        yield from _check_success_policy(spec, f"{path}.successPolicy")
    replacement = spec.get("podReplacementPolicy")
    if replacement is not None:
        known = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
        yield from one_of(f"{path}.podReplacementPolicy", replacement, known)
    yield from _check_job_template(spec, path)


def _check_job_template(spec: Json, path: str) -> Iterator[Cause]:
    template = spec.get("template") or {}
    yield from check_template(template, f"{path}.template")
    restart, here = (
        (template.get("spec") or {}).get("restartPolicy") or "",
        f"{path}.template.spec.restartPolicy",
    )
    if restart in ("", "Always"):
        yield required(here, 'valid values: "OnFailure", "Never"')
    elif restart not in ("OnFailure", "Never"):
        yield not_supported(here, restart, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and restart != "Never":
        yield invalid(here, restart, 'only "Never" is supported when podFailurePolicy is specified')


def _check_mode(spec: Json, path: str) -> Iterator[Cause]:
    mode = spec.get("completionMode")
    if mode is not None:
        yield from one_of(f"{path}.completionMode", mode, ("NonIndexed", INDEXED))
    if mode == INDEXED:
        yield from _check_indexed(spec, path)
    elif mode in (None, "NonIndexed"):
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                yield invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")


def _check_indexed(spec: Json, path: str) -> Iterator[Cause]:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed, here = spec.get("maxFailedIndexes"), f"{path}.maxFailedIndexes"
    if completions is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism is not None and parallelism > INDEXED_MAX:
        why = f"must be less than or equal to {INDEXED_MAX} when completion mode is Indexed"
        yield invalid(f"{path}.parallelism", parallelism, why)
    if completions is not None and failed is not None and failed > completions:
        yield invalid(here, failed, "must be less than or equal to completions")
    if failed is not None and failed > INDEXED_MAX:
        yield invalid(here, failed, f"must be less than or equal to {INDEXED_MAX}")
    if completions is None or completions <= MANY or spec.get("backoffLimitPerIndex") is None:
        return
    why = (
        f"must be less than or equal to {MANY_MAX} when completions are above {MANY} and used with backoff "
        "limit per index"
    )
    if failed is None:
        yield required(here, f"must be specified when completions is above {MANY}")
    if parallelism is not None and parallelism > MANY_MAX:
        yield invalid(f"{path}.parallelism", parallelism, why)
    if failed is not None and failed > MANY_MAX:
        yield invalid(here, failed, why)


def _list(values: Sequence[str]) -> str:
    return "[" + " ".join(map(go_quote, values)) + "]"


def _check_failure_policy(spec: Json, path: str) -> Iterator[Cause]:
    rules = spec["podFailurePolicy"].get("rules") or ()
    template = (spec.get("template") or {}).get("spec") or {}
    if len(rules) > RULES_MAX:
        yield too_many(f"{path}.rules", len(rules), RULES_MAX)
    names = {
        container.get("name")
        for kind in ("containers", "initContainers")
        for container in template.get(kind) or ()
    }
    for position, rule in enumerate(rules):
        here, action = f"{path}.rules[{position}]", rule.get("action") or ""
        if not action:
            yield required(f"{here}.action", f"valid values: {_list(ACTIONS)}")
        elif action == "FailIndex":
            if spec.get("backoffLimitPerIndex") is None:
                yield invalid(f"{here}.action", action, "requires the backoffLimitPerIndex to be set")
        else:
            yield from one_of(f"{here}.action", action, ACTIONS)
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
        if codes is not None:
            yield from _check_codes(codes, names, f"{here}.onExitCodes")
        yield from _check_conditions(conditions, f"{here}.onPodConditions")
        if (codes is not None) == bool(conditions):
            what = "both OnExitCodes and OnPodConditions is not supported"
            yield invalid_state(
                here,
                f"specifying {what if conditions else 'one of OnExitCodes and OnPodConditions is required'}",
            )


def _check_conditions(conditions: Sequence[Json], path: str) -> Iterator[Cause]:
    if len(conditions) > PATTERNS_MAX:
        yield too_many(path, len(conditions), PATTERNS_MAX)
    for position, pattern in enumerate(conditions):
        here, type_, status = f"{path}[{position}]", pattern.get("type") or "", pattern.get("status") or ""
        yield from each(f"{here}.type", type_, check_qualified_name(type_))
        if not status:
            yield required(f"{here}.status", f"valid values: {_list(STATUSES)}")
        else:
            yield from one_of(f"{here}.status", status, STATUSES)


def _check_codes(codes: Json, names: set[str | None], path: str) -> Iterator[Cause]:
    operator, values = codes.get("operator") or "", codes.get("values")
    if not operator:
        yield required(f"{path}.operator", f"valid values: {_list(OPERATORS)}")
    else:
        yield from one_of(f"{path}.operator", operator, OPERATORS)
    container = codes.get("containerName")
    if container is not None and container not in names:
        why = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", container, why)
    if not values:
        yield invalid(f"{path}.values", NULL if values is None else values, "at least one value is required")
        return
    if len(values) > CODES_MAX:
        yield too_many(f"{path}.values", len(values), CODES_MAX)
    for place, value in enumerate(values):
        if operator == "In" and value == 0:
            yield invalid(f"{path}.values[{place}]", 0, "must not be 0 for the In operator")
        if value in values[:place]:
            yield duplicate(f"{path}.values[{place}]", value)
    if values != sorted(values):
        yield invalid(f"{path}.values", values, "must be ordered")


def _check_success_policy(spec: Json, path: str) -> Iterator[Cause]:
    policy, completions = spec["successPolicy"], spec.get("completions")
    if spec.get("completionMode") != INDEXED:
        yield invalid(path, go_struct(policy, "batch.v1.SuccessPolicy"), "requires indexed completion mode")
        return
    rules = policy.get("rules") or ()
    if not rules:
        why = "at least one rules must be specified when the successPolicy is specified"
        yield required(f"{path}.rules", why)
    if len(rules) > SUCCESS_RULES_MAX:
        yield too_many(f"{path}.rules", len(rules), SUCCESS_RULES_MAX)
    for position, rule in enumerate(rules):
        yield from _check_success_rule(rule, completions or 0, f"{path}.rules[{position}]")


def _check_success_rule(rule: Json, completions: int, path: str) -> Iterator[Cause]:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if indexes is not None:
        here = f"{path}.succeededIndexes"
        if len(indexes) > INDEXES_MAX:
            yield too_long(here, INDEXES_MAX)
        total, wrong = count_indexes(indexes, completions)
        if wrong:
            yield invalid(here, indexes, f"error parsing succeededIndexes: {wrong}")
    if count is None:
        return
    here = f"{path}.succeededCount"
    yield from not_negative(here, count)
    most = "must be less than or equal to"
    if count > completions:
        yield invalid(here, count, f"{most} {completions} (the number of specified completions)")
    if indexes is not None and count > total:
        why = f"{most} {total} (the number of indexes in the specified succeededIndexes field)"
        yield invalid(here, count, why)


def count_indexes(text: str, completions: int) -> tuple[int, str]:
    """``0-2,5`` → 4 and nothing; 0 and what is wrong with it otherwise."""
    last: int | None = None
    total = 0
    for interval in text.split(",") if text else ():
        low, high, wrong = _parse_interval(interval, completions)
        if not wrong and last is not None and last >= low:
            wrong = f"non-increasing order, previous: {last}, current: {low}"
        if wrong:
            return 0, wrong
        total += high - low + 1
        last = high
    return total, ""


def _parse_interval(text: str, completions: int) -> tuple[int, int, str]:
    limits = text.split("-")
    if len(limits) > 2:
        why = "violates the requirement that an index interval can have at most two parts separated by '-'"
        return 0, 0, f"the fragment {go_quote(text)} {why}"
    numbers = []
    for limit in limits:
        if not (limit.isascii() and limit.removeprefix("+").isdigit()):
            return 0, 0, f"cannot convert string to integer for index: {go_quote(limit)}"
        if int(limit) >= completions:
            return 0, 0, f"too large index: {go_quote(limit)}"
        numbers.append(int(limit))
    if len(numbers) > 1 and numbers[0] >= numbers[1]:
        return 0, 0, f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}"
    return numbers[0], numbers[-1], ""


def check_job_update(new: Json, old: Json) -> Iterator[Cause]:
    """A Job is what it was made as, but for how much of it runs at once."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    yield from _check_selected(spec)  # once more
    yield from _check_completions(spec, before)
    selector = spec.get("selector")
    if selector != before.get("selector"):
        yield invalid("spec.selector", NULL if selector is None else show_selector(selector), IMMUTABLE)
    yield from _check_changed_template(spec, before, old.get("status") or {})
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        value = spec.get(field)
        if value == before.get(field):
            continue
        if isinstance(value, dict):
            value = go_struct(value, STRUCTS[field])
        yield invalid(f"spec.{field}", NULL if value is None else value, IMMUTABLE)


STRUCTS = {"podFailurePolicy": "batch.v1.PodFailurePolicy", "successPolicy": "batch.v1.SuccessPolicy"}


def _check_completions(spec: Json, before: Json) -> Iterator[Cause]:
    completions, here = spec.get("completions"), "spec.completions"
    if spec.get("completionMode") != INDEXED:
        yield from immutable(here, completions, before.get("completions"))
    elif completions not in (None, before.get("completions"), spec.get("parallelism")):
        yield invalid(here, completions, "can only be modified in tandem with spec.parallelism")


def _check_changed_template(spec: Json, before: Json, status: Json) -> Iterator[Cause]:
    template, was = spec.get("template") or {}, before.get("template") or {}
    if not before.get("suspend"):
        if template != was:
            yield invalid("spec.template", go_struct(template, "core.v1.PodTemplateSpec"), IMMUTABLE)
        return
    if not _may_change(status):
        if template != was:
            yield invalid("spec.template", go_struct(template, "core.v1.PodTemplateSpec"), IMMUTABLE)
        return
    pod = template.get("spec") or {}
    if _without_free_fields(pod, pod) != _without_free_fields(was.get("spec") or {}, pod):
        yield invalid("spec.template.spec", go_struct(pod, "core.v1.PodSpec"), IMMUTABLE)


def _may_change(status: Json) -> bool:
    """Whether a suspended Job has no Pods that still are as it was before."""
    return not status.get("active") and (
        status.get("startTime") is None
        or any(
            entry.get("type") == "Suspended" and entry.get("status") == "True"
            for entry in status.get("conditions") or ()
        )
    )


def _without_free_fields(spec: Json, new: Json) -> Json:
    """What of a Pod spec may not change: neither where Pods may run, nor the resources they ask for.

    Args:
        new: the spec that comes next; resources of its containers may change where the names stay.
    """
    kept = {field: value for field, value in spec.items() if field not in PLACEMENT}
    affinity = {
        field: value for field, value in (spec.get("affinity") or {}).items() if field != "nodeAffinity"
    }
    kept.pop("affinity", None)
    if affinity:
        kept["affinity"] = affinity
    for kind in ("containers", "initContainers"):
        mine, theirs = spec.get(kind) or (), new.get(kind) or ()
        if len(mine) == len(theirs):
            kept[kind] = [
                {field: value for field, value in container.items() if field != "resources"}
                if container.get("name") == other.get("name")
                else container
                for container, other in zip(mine, theirs, strict=True)
            ]
    return kept
