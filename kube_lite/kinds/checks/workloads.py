"""Rules for apps: ``pkg/apis/apps/validation``, and for ReplicationControllers."""

import re
from collections.abc import Iterator, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    Shown,
    each,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label
from kube_lite.api.selectors import LabelSelector

from .claims import check_claim_spec
from .go_struct import go_struct
from .pod_spec import check_template, check_template_metadata
from .selectors import as_selector, check_label_selector, show_selector
from .values import PERCENT, check_at_most_all, check_count_or_percent

STATEFULSET_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
UNSELECTED = "`selector` does not match template `labels`"
NULL = Shown("null")


def check_selected_template(spec: Json, path: str, kind: str) -> Iterator[Cause]:
    """The selector and the template that it must select."""
    selector = spec.get("selector")
    here = f"{path}.selector"
    if selector is None:
        yield required(here)
    else:
        yield from check_label_selector(selector, here)
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield invalid(here, show_selector(selector), f"empty selector is invalid for {kind}")
    if kind == "statefulset":
        yield from _check_stateful_template(spec, path)
    else:
        yield from check_matching_template(spec, path)


def check_matching_template(spec: Json, path: str) -> Iterator[Cause]:
    """A template whose labels its own selector matches."""
    template, here = spec.get("template") or {}, f"{path}.template"
    selector = as_selector(spec.get("selector"))
    if selector is None:
        yield invalid(f"{path}.selector", show_selector(spec["selector"]), "invalid label selector")
        return
    if not selector.is_everything:
        yield from _check_selected(selector, template, here)
    yield from check_template(template, here)
    yield from _check_always(template, here, "ReplicaSet")


def _check_selected(selector: LabelSelector, template: Json, path: str) -> Iterator[Cause]:
    labels = (template.get("metadata") or {}).get("labels")
    if not selector.matches(labels or {}):
        yield invalid(f"{path}.metadata.labels", NULL if labels is None else labels, UNSELECTED)


def _check_always(template: Json, path: str, owner: str) -> Iterator[Cause]:
    """Pods that start again whatever happens, for ever."""
    spec = template.get("spec") or {}
    restart = spec.get("restartPolicy") or ""
    if restart != "Always":
        yield not_supported(f"{path}.spec.restartPolicy", restart, ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {owner} is not Supported"
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", why)


def _check_stateful_template(spec: Json, path: str) -> Iterator[Cause]:
    template, here = spec.get("template") or {}, f"{path}.template"
    selector = as_selector(spec.get("selector"))
    if selector is None:
        yield invalid(f"{path}.selector", show_selector(spec["selector"]), "")
    else:
        if not selector.is_everything:
            yield from _check_selected(selector, template, here)
        mounted = _with_claims(template, spec.get("volumeClaimTemplates") or ())
        yield from check_template(mounted, here)
        yield from check_template_metadata(template, here)  # the reference looks at it twice
    yield from _check_always(template, here, "StatefulSet")


def _with_claims(template: Json, claims: Sequence[Json]) -> Json:
    """The template as Pods will have it: the controller names them, and gives them their claims."""
    spec = template.get("spec")
    if not spec or not (claims or spec.get("hostname") or spec.get("subdomain")):
        return template
    bare = {field: value for field, value in spec.items() if field not in ("hostname", "subdomain")}
    if claims:
        names = dict.fromkeys((claim.get("metadata") or {}).get("name") or "" for claim in claims)
        made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
        kept = [volume for volume in spec.get("volumes") or () if volume.get("name") not in names]
        bare["volumes"] = made + kept
    return {**template, "spec": bare}


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
        shown = go_struct(strategy, "apps.v1.DeploymentStrategy")
        yield not_supported(path, shown, ("Recreate", "RollingUpdate"))


def _is_zero(value: int | str) -> bool:
    """Whether it means nothing: zero, and every text that is neither number nor percentage."""
    if isinstance(value, int):
        return value == 0
    number = value.removesuffix("%") if re.fullmatch(PERCENT, value) else value
    return not re.fullmatch("[-+]?[0-9]+", number) or int(number) == 0


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
    selector, template = spec.get("selector") or {}, spec["template"]
    labels = (template.get("metadata") or {}).get("labels")
    if any((labels or {}).get(key) != value for key, value in selector.items()):
        yield invalid("spec.template.metadata.labels", NULL if labels is None else labels, UNSELECTED)
    yield from check_template(template, "spec.template")
    yield from _check_always(template, "spec.template", "ReplicationController")


def check_statefulset(statefulset: Json) -> Iterator[Cause]:
    """A StatefulSet."""
    spec = statefulset.get("spec") or {}
    policy = spec.get("podManagementPolicy") or ""
    if not policy:
        yield required("spec.podManagementPolicy")
    elif policy not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _check_stateful_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    retention = spec.get("persistentVolumeClaimRetentionPolicy")
    if retention is not None:
        for field in ("whenDeleted", "whenScaled"):
            here = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
            yield from one_of(here, retention.get(field) or "", ("Retain", "Delete"))
    if not statefulset["metadata"].get("resourceVersion"):  # they do not change
        for position, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            here = f"spec.volumeClaimTemplates[{position}].spec"
            yield from check_claim_spec(claim.get("spec") or {}, here)
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    name = spec.get("serviceName")
    if name and not statefulset["metadata"].get("resourceVersion"):
        yield from each("spec.serviceName", name, check_label(name))
    yield from check_selected_template(spec, "spec", "statefulset")


def _check_stateful_strategy(strategy: Json, path: str) -> Iterator[Cause]:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    here = f"{path}.rollingUpdate"
    if not kind:
        yield required(path)
    elif kind == "OnDelete":
        if rolling is not None:
            shown = go_struct(rolling, "apps.v1.RollingUpdateStatefulSetStrategy")
            yield invalid(here, shown, "only allowed for updateStrategy 'RollingUpdate'")
    elif kind != "RollingUpdate":
        shown = go_struct(strategy, "apps.v1.StatefulSetUpdateStrategy")
        yield invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")
    elif rolling is not None:
        yield from not_negative(f"{here}.partition", rolling.get("partition"))
        most = rolling.get("maxUnavailable")
        if most is not None:
            yield from check_count_or_percent(f"{here}.maxUnavailable", most)
            if _is_zero(most):
                yield invalid(f"{here}.maxUnavailable", most, "cannot be 0")
            yield from check_at_most_all(f"{here}.maxUnavailable", most)


def check_daemonset(daemonset: Json) -> Iterator[Cause]:
    """A DaemonSet."""
    spec = daemonset.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    yield from check_label_selector(selector, "spec.selector")
    parsed = as_selector(selector)
    labels = (template.get("metadata") or {}).get("labels")
    if parsed is not None and (selector is None or not parsed.matches(labels or {})):
        yield invalid("spec.template.metadata.labels", NULL if labels is None else labels, UNSELECTED)
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid("spec.selector", show_selector(selector), "empty selector is invalid for daemonset")
    yield from check_template(template, "spec.template")
    yield from _check_always(template, "spec.template", "DaemonSet")
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _check_daemon_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _check_daemon_strategy(strategy: Json, path: str) -> Iterator[Cause]:
    rolling, here = strategy.get("rollingUpdate"), f"{path}.rollingUpdate"
    if strategy.get("type") == "OnDelete":
        return
    if strategy.get("type") != "RollingUpdate":
        shown = go_struct(strategy, "apps.v1.DaemonSetUpdateStrategy")
        yield not_supported(path, shown, ("RollingUpdate", "OnDelete"))
    elif rolling is None:
        yield required(here)
    else:
        unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
        for check in (check_count_or_percent, check_at_most_all):
            yield from check(f"{here}.maxUnavailable", unavailable)
            yield from check(f"{here}.maxSurge", surge)
        if not _is_zero(unavailable) and not _is_zero(surge):
            yield invalid(f"{here}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
        elif _is_zero(unavailable) and _is_zero(surge):
            yield required(f"{here}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def check_selector_update(new: Json, old: Json) -> Iterator[Cause]:
    """The selector of a workload may not change."""
    selector = (new.get("spec") or {}).get("selector")
    if selector != (old.get("spec") or {}).get("selector"):
        shown = NULL if selector is None else show_selector(selector)
        yield invalid("spec.selector", shown, "field is immutable")


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
