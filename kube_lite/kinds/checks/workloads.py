"""Rules for apps and batch: ``pkg/apis/{apps,batch}/validation``."""

import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    IMMUTABLE,
    Shown,
    duplicate,
    forbidden,
    immutable,
    invalid,
    not_negative,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.gotext import go_json, go_quote
from kube_lite.api.identity import Json

from .go_struct import go_struct
from .pod_spec import check_template, check_template_metadata
from .selectors import as_selector, check_label_selector, show_selector
from .values import check_at_most_all, check_count_or_percent

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
LEGACY_CONTROLLER_UID = "controller-uid"
STATEFULSET_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
JOB_MUTABLE_TEMPLATE = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
CRON_NAMES: tuple[dict[str, int], ...] = (
    {}, {}, {},
    {name: at for at, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)},  # noqa: SIM905
    {name: at for at, name in enumerate("sun mon tue wed thu fri sat".split())},  # noqa: SIM905
)  # fmt: skip
DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def check_selected_template(
    spec: Json, path: str, kind: str, *, restart_policies: tuple[str, ...] = ("Always",)
) -> Iterator[Cause]:
    """The selector and the template that it must select."""
    selector = spec.get("selector")
    here = f"{path}.selector"
    if selector is None:
        yield required(here)
    else:
        yield from check_label_selector(selector, here)
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield invalid(here, show_selector(selector), f"empty selector is invalid for {kind}")
    yield from check_matching_template(spec, path, restart_policies, is_stateful=kind == "statefulset")


def check_matching_template(
    spec: Json, path: str, restart_policies: tuple[str, ...], *, is_stateful: bool = False
) -> Iterator[Cause]:
    """A template whose labels its own selector matches.

    Of a StatefulSet's no more than its metadata is looked at, because its Pods have volumes that it has not.
    """
    template, here = spec.get("template") or {}, f"{path}.template"
    selector = as_selector(spec.get("selector"))
    if selector is None:
        yield invalid(f"{path}.selector", show_selector(spec["selector"]), "invalid label selector")
    else:
        labels = (template.get("metadata") or {}).get("labels") or {}
        if not selector.is_everything and not selector.matches(labels):
            yield invalid(f"{here}.metadata.labels", labels, "`selector` does not match template `labels`")
        yield from check_template_metadata(template, here) if is_stateful else check_template(template, here)
        restart = (template.get("spec") or {}).get("restartPolicy") or ""
        if restart not in restart_policies:
            yield not_supported(f"{here}.spec.restartPolicy", restart, restart_policies)
        if (template.get("spec") or {}).get("activeDeadlineSeconds") is not None:
            owner = "StatefulSet" if is_stateful else "ReplicaSet"
            why = f"activeDeadlineSeconds in {owner} is not Supported"
            yield forbidden(f"{here}.spec.activeDeadlineSeconds", why)


def check_deployment(deployment: Json) -> Iterator[Cause]:
    """A Deployment."""
    spec = deployment.get("spec") or {}
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from check_selected_template(spec, "spec", "deployment")
    yield from _check_rolling(spec.get("strategy") or {}, "spec.strategy")
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        yield from not_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= spec.get("minReadySeconds", 0):
            yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _check_rolling(strategy: Json, path: str) -> Iterator[Cause]:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            why = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden(f"{path}.rollingUpdate", why)
    elif kind == "RollingUpdate":
        if rolling is None:
            yield required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")
            return
        here = f"{path}.rollingUpdate"
        unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
        yield from check_count_or_percent(f"{here}.maxUnavailable", unavailable)
        yield from check_count_or_percent(f"{here}.maxSurge", surge)
        if _is_zero(unavailable) and _is_zero(surge):
            yield invalid(f"{here}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
        yield from check_at_most_all(f"{here}.maxUnavailable", unavailable)
    else:
        yield not_supported(f"{path}.type", kind, ("Recreate", "RollingUpdate"))


def _is_zero(value: int | str) -> bool:
    return value in (0, "0", "0%")


def check_replicaset(replicaset: Json) -> Iterator[Cause]:
    """A ReplicaSet."""
    spec = replicaset.get("spec") or {}
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from check_selected_template(spec, "spec", "deployment")


def check_replication_controller(controller: Json) -> Iterator[Cause]:
    """A ReplicationController, whose selector is a plain map."""
    spec = controller.get("spec") or {}
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    if not spec.get("selector"):
        yield required("spec.selector")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    if spec.get("template") is None:
        yield required("spec.template")
        return
    selected = {**spec, "selector": {"matchLabels": spec.get("selector") or {}}}
    yield from check_matching_template(selected, "spec", ("Always",))


def check_statefulset(statefulset: Json) -> Iterator[Cause]:
    """A StatefulSet."""
    spec = statefulset.get("spec") or {}
    policy = spec.get("podManagementPolicy") or ""
    if not policy:
        yield required("spec.podManagementPolicy")
    elif policy not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    strategy = spec.get("updateStrategy") or {}
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if not kind:
        yield required("spec.updateStrategy")
    elif kind == "OnDelete":
        if rolling is not None:
            shown = Shown(f'{{"Partition":{rolling.get("partition", 0)},"MaxUnavailable":null}}')
            why = "only allowed for updateStrategy 'RollingUpdate'"
            yield invalid("spec.updateStrategy.rollingUpdate", shown, why)
    elif kind == "RollingUpdate":
        yield from not_negative(
            "spec.updateStrategy.rollingUpdate.partition", (rolling or {}).get("partition")
        )
    else:
        yield invalid(
            "spec.updateStrategy", _show_strategy(strategy), "must be 'RollingUpdate' or 'OnDelete'"
        )
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    yield from check_selected_template(spec, "spec", "statefulset")


def _show_strategy(strategy: Json) -> Shown:
    rolling = strategy.get("rollingUpdate")
    return Shown(f'{{"Type":{go_quote(strategy.get("type") or "")},"RollingUpdate":{go_json(rolling)}}}')


def check_daemonset(daemonset: Json) -> Iterator[Cause]:
    """A DaemonSet."""
    spec = daemonset.get("spec") or {}
    yield from check_selected_template(spec, "spec", "daemonset")
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "RollingUpdate":
        rolling, here = strategy.get("rollingUpdate") or {}, "spec.updateStrategy.rollingUpdate"
        unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
        yield from check_count_or_percent(f"{here}.maxUnavailable", unavailable)
        yield from check_count_or_percent(f"{here}.maxSurge", surge)
        if not _is_zero(unavailable) and not _is_zero(surge):
            yield invalid(f"{here}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
        elif _is_zero(unavailable) and _is_zero(surge):
            yield required(f"{here}.maxUnavailable", "cannot be 0 when maxSurge is 0")
        yield from check_at_most_all(f"{here}.maxUnavailable", unavailable)
        yield from check_at_most_all(f"{here}.maxSurge", surge)
    elif strategy.get("type") != "OnDelete":
        yield not_supported("spec.updateStrategy", _show_strategy(strategy), ("RollingUpdate", "OnDelete"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def check_job(job: Json) -> Iterator[Cause]:
    """A Job, after its selector and labels were generated."""
    spec = job.get("spec") or {}
    yield from check_job_spec(spec, "spec")
    uid = job["metadata"].get("uid")
    if uid and not spec.get("manualSelector"):
        yield from _check_generated(spec, uid)
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
        return
    yield from check_label_selector(selector, "spec.selector")
    parsed = as_selector(selector)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if parsed is not None and not parsed.matches(labels):
        why = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", labels, why)


def _check_generated(spec: Json, uid: str) -> Iterator[Cause]:
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    for label in (LEGACY_CONTROLLER_UID, CONTROLLER_UID):
        if label in labels and labels[label] != uid:
            yield invalid(f"spec.template.metadata.labels[{label}]", labels, f"must be '{uid}'")
    selector = spec.get("selector") or {}
    wanted = ({CONTROLLER_UID: uid}, {LEGACY_CONTROLLER_UID: uid})
    if selector.get("matchExpressions") or selector.get("matchLabels") not in wanted:
        yield invalid("spec.selector", show_selector(selector), "`selector` not auto-generated")


def check_job_spec(spec: Json, path: str) -> Iterator[Cause]:
    """What Jobs and the templates of CronJobs have in common."""
    for field in (
        "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
        "backoffLimitPerIndex", "maxFailedIndexes",
    ):  # fmt: skip
        yield from not_negative(f"{path}.{field}", spec.get(field))
    mode = spec.get("completionMode")
    if mode is not None:
        yield from one_of(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
        if mode == "Indexed" and spec.get("completions") is None:
            yield required(f"{path}.completions", "when completion mode is Indexed")
    if spec.get("backoffLimitPerIndex") is not None and mode != "Indexed":
        why = "requires indexed completion mode"
        yield invalid(f"{path}.backoffLimitPerIndex", spec["backoffLimitPerIndex"], why)
    template = spec.get("template") or {}
    if spec.get("podFailurePolicy") is not None:
        yield from _check_failure_policy(spec["podFailurePolicy"], template, f"{path}.podFailurePolicy")
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
        why = 'only "Never" is supported when podFailurePolicy is specified'
        yield invalid(here, restart, why)


def _check_failure_policy(policy: Json, template: Json, path: str) -> Iterator[Cause]:
    spec = template.get("spec") or {}
    names = {
        container.get("name")
        for kind in ("containers", "initContainers")
        for container in spec.get(kind) or ()
    }
    for position, rule in enumerate(policy.get("rules") or ()):
        here = f"{path}.rules[{position}]"
        action = rule.get("action") or ""
        if not action:
            yield required(f"{here}.action", 'valid values: "FailJob", "Ignore", "Count"')
        codes = rule.get("onExitCodes")
        if codes is None:
            if not rule.get("onPodConditions"):
                why = "specifying one of OnExitCodes and OnPodConditions is required"
                yield invalid(here, "", why)
            continue
        at = f"{here}.onExitCodes"
        operator, values = codes.get("operator") or "", codes.get("values") or []
        yield from one_of(f"{at}.operator", operator, ("In", "NotIn"))
        container = codes.get("containerName")
        if container is not None and container not in names:
            why = "must be one of the container or initContainer names in the pod template"
            yield invalid(f"{at}.containerName", container, why)
        if not values:
            yield invalid(f"{at}.values", [], "at least one value is required")
        seen: set[int] = set()
        for place, value in enumerate(values):
            if operator == "In" and value == 0:
                yield invalid(f"{at}.values[{place}]", 0, "must not be 0 for the In operator")
            if value in seen:
                yield duplicate(f"{at}.values[{place}]", value)
            seen.add(value)


def check_cronjob(cronjob: Json) -> Iterator[Cause]:
    """A CronJob."""
    spec = cronjob.get("spec") or {}
    schedule = spec.get("schedule") or ""
    if not schedule:
        yield required("spec.schedule")
    elif "TZ" in schedule:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid("spec.schedule", schedule, why)
    else:
        wrong = schedule_error(schedule)
        if wrong:
            yield invalid("spec.schedule", schedule, wrong)
    yield from not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if spec.get("timeZone") is not None:
        yield from _check_time_zone(spec["timeZone"])
    policy = spec.get("concurrencyPolicy") or ""
    if not policy:
        yield required("spec.concurrencyPolicy")
    else:
        yield from one_of("spec.concurrencyPolicy", policy, ("Allow", "Forbid", "Replace"))
    yield from check_job_spec((spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")
    yield from not_negative("spec.successfulJobsHistoryLimit", spec.get("successfulJobsHistoryLimit"))
    yield from not_negative("spec.failedJobsHistoryLimit", spec.get("failedJobsHistoryLimit"))


def _check_time_zone(zone: str) -> Iterator[Cause]:
    from zoneinfo import ZoneInfo  # few CronJobs name a zone

    if not zone:
        yield invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
        return
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        yield invalid("spec.timeZone", zone, f"unknown time zone {zone}")


def schedule_error(schedule: str) -> str | None:
    """What the reference's parser says of a schedule, or None when it is good."""
    if schedule.startswith("@"):
        if schedule in DESCRIPTORS or re.fullmatch(r"@every [\d.hmsuµn]+", schedule):
            return None
        return f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != len(CRON_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (least, most), names in zip(fields, CRON_FIELDS, CRON_NAMES, strict=True):
        for part in field.split(","):
            wrong = _range_error(part, least, most, names)
            if wrong:
                return wrong
    return None


def _range_error(text: str, least: int, most: int, names: dict[str, int]) -> str | None:
    limits, slash, step = text.partition("/")
    start, dash, end = limits.partition("-")
    if start in ("*", "?"):
        low, high = least, most
    else:
        numbers = [names.get(word.lower(), word) for word in ((start, end) if dash else (start,))]
        for number in numbers:
            if not str(number).isdigit():
                why = f"strconv.Atoi: parsing {go_quote(str(number))}: invalid syntax"
                return f"failed to parse int from {number}: {why}"
        low = int(numbers[0])
        high = int(numbers[1]) if dash else most if slash else low
    if slash and (not step.isdigit() or int(step) == 0):
        return f"step of range should be a positive number: {text}"
    if low < least:
        return f"beginning of range ({low}) below minimum ({least}): {text}"
    if high > most:
        return f"end of range ({high}) above maximum ({most}): {text}"
    return f"beginning of range ({low}) beyond end of range ({high}): {text}" if low > high else None


def check_selector_update(new: Json, old: Json) -> Iterator[Cause]:
    """The selector of a workload may not change."""
    selector = (new.get("spec") or {}).get("selector")
    if selector != (old.get("spec") or {}).get("selector"):
        yield invalid("spec.selector", show_selector(selector or {}), "field is immutable")


def check_statefulset_update(new: Json, old: Json) -> Iterator[Cause]:
    """Only some fields of a StatefulSet may change."""
    fixed = [
        {field: value for field, value in (obj.get("spec") or {}).items() if field not in STATEFULSET_MUTABLE}
        for obj in (new, old)
    ]
    if fixed[0] != fixed[1]:
        yield forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' are forbidden",
        )


def check_job_update(new: Json, old: Json) -> Iterator[Cause]:
    """A Job is what it was made as, but for how much of it runs at once."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    indexed = spec.get("completionMode") == "Indexed" and before.get("completionMode") == "Indexed"
    elastic = indexed and spec.get("completions") == spec.get("parallelism")
    if not elastic:
        yield from immutable("spec.completions", spec.get("completions"), before.get("completions"))
    selector = spec.get("selector")
    if selector != before.get("selector"):
        yield invalid("spec.selector", show_selector(selector or {}), "field is immutable")
    template, template_before = spec.get("template") or {}, before.get("template") or {}
    if before.get("suspend") and not (old.get("status") or {}).get("startTime"):
        template, template_before = _without_placement(template), _without_placement(template_before)
    if template != template_before:
        yield invalid("spec.template", go_struct(template or {}, "core.v1.PodTemplateSpec"), IMMUTABLE)
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy"):
        yield from immutable(f"spec.{field}", spec.get(field), before.get(field))


def _without_placement(template: Json) -> Json:
    spec = {
        key: value for key, value in (template.get("spec") or {}).items() if key not in JOB_MUTABLE_TEMPLATE
    }
    metadata = {
        key: value
        for key, value in (template.get("metadata") or {}).items()
        if key not in ("labels", "annotations")
    }
    return {**template, "spec": spec, "metadata": metadata}
