"""LimitRanges: what containers get that say nothing, and how much they, Pods and claims may ask for.

Source: ``plugin/pkg/admission/limitranger/admission.go``.
"""

from collections.abc import Iterable, Iterator, Mapping

from kube_lite.api import meta
from kube_lite.api.identity import GroupResource, Json
from kube_lite.api.quantity import Quantity, parse_quantity
from kube_lite.api.quota import CLAIMS, pod_total

from .chain import CREATE, PODS, UPDATE, Attempt, Rule

LIMIT_RANGES = GroupResource("", "limitranges")
ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanges(Rule):
    """Fills in defaults, and refuses what is beyond the limits."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New Pods, and claims, new and changed."""
        if subresource:
            return False
        return (
            resource == CLAIMS if operation == UPDATE else operation == CREATE and resource in (PODS, CLAIMS)
        )

    async def mutate(self, attempt: Attempt) -> None:
        """Give containers the namespace's defaults."""
        if attempt.resource.group_resource != PODS or attempt.operation != CREATE:
            return
        for limit_range in _in_namespace(attempt):
            told = list(_fill(attempt.obj.get("spec") or {}, limit_range))
            if told:
                annotations = {**meta.annotations_of(attempt.obj)}
                annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"
                attempt.obj["metadata"]["annotations"] = annotations

    async def validate(self, attempt: Attempt) -> None:
        """Refuse what is too much, too little, or not said."""
        kind = attempt.resource.group_resource
        for limit_range in _in_namespace(attempt):
            find = find_in_pod if kind == PODS else find_in_claim
            wrong = find(attempt.obj, limit_range["spec"].get("limits") or ())
            found = list(dict.fromkeys(wrong))  # however many containers it is true of
            if found:
                raise attempt.refuse(found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _in_namespace(attempt: Attempt) -> list[Json]:
    return attempt.objects.all(LIMIT_RANGES, attempt.namespace)


def _fill(spec: Json, limit_range: Json) -> Iterator[str]:
    """Give containers defaults in place; what was set where, in words."""
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for limit in limit_range["spec"].get("limits") or ():
        if limit.get("type") == "Container":
            requests |= limit.get("defaultRequest") or {}
            limits |= limit.get("default") or {}
    for field, words in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(field) or ():
            for name, defaults, word in (("requests", requests, "request"), ("limits", limits, "limit")):
                resources = container.get("resources") or {}
                given = resources.get(name) or {}
                added = {key: value for key, value in defaults.items() if key not in given}
                if added:
                    container["resources"] = {**resources, name: {**given, **added}}
                    yield f"{', '.join(sorted(added))} {word} for {words} {container['name']}"


def find_in_pod(pod: Json, limits: Iterable[Json]) -> Iterator[str]:
    """What stands against a Pod."""
    spec = pod["spec"]
    for limit in limits:
        if limit.get("type") == "Container":
            for container in (*spec["containers"], *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                asked, limited = _amounts(resources, "requests"), _amounts(resources, "limits")
                yield from _find("Container", limit, asked, limited)
        elif limit.get("type") == "Pod":
            yield from _find("Pod", limit, pod_total(spec, "requests"), pod_total(spec, "limits"))


def find_in_claim(claim: Json, limits: Iterable[Json]) -> Iterator[str]:
    """What stands against a claim."""
    requests = _amounts(claim["spec"].get("resources") or {}, "requests")
    for limit in limits:
        if limit.get("type") != "PersistentVolumeClaim":
            continue
        for name, text in (limit.get("min") or {}).items():
            yield from _at_least("PersistentVolumeClaim", name, text, requests, {})
        for name, text in (limit.get("max") or {}).items():
            most, words = parse_quantity(text), f"maximum {name} usage per PersistentVolumeClaim is {text}"
            asked = requests.get(name)
            if asked is None:
                yield f"{words}.  No request is specified"
            elif asked > most:
                yield f"{words}, but request is {asked}"


def _find(
    kind: str, limit: Json, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> Iterator[str]:
    for name, text in (limit.get("min") or {}).items():
        yield from _at_least(kind, name, text, requests, limits)
    for name, text in (limit.get("max") or {}).items():
        yield from _at_most(kind, name, text, requests, limits)
    for name, text in (limit.get("maxLimitRequestRatio") or {}).items():
        yield from _in_ratio(kind, name, text, requests, limits)


def _at_least(
    kind: str, name: str, text: str, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> Iterator[str]:
    least, words = parse_quantity(text), f"minimum {name} usage per {kind} is {text}"
    asked, limited = requests.get(name), limits.get(name)
    if asked is None:
        yield f"{words}.  No request is specified"
    elif asked < least:
        yield f"{words}, but request is {asked}"
    if limited is not None and limited < least:
        yield f"{words}, but limit is {limited}"


def _at_most(
    kind: str, name: str, text: str, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> Iterator[str]:
    most, words = parse_quantity(text), f"maximum {name} usage per {kind} is {text}"
    asked, limited = requests.get(name), limits.get(name)
    if limited is None:
        yield f"{words}.  No limit is specified"
    elif limited > most:
        yield f"{words}, but limit is {limited}"
    elif asked is not None and asked > most:
        yield f"{words}, but request is {asked}"


def _in_ratio(
    kind: str, name: str, text: str, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> Iterator[str]:
    words = f"{name} max limit to request ratio per {kind} is {text}"
    asked, limited = requests.get(name), limits.get(name)
    if not asked:
        yield f"{words}, but no request is specified or request is 0"
    elif not limited:
        yield f"{words}, but no limit is specified or limit is 0"
    else:
        ratio = limited.milli_value / asked.milli_value
        if ratio * 1000 > parse_quantity(text).milli_value:
            yield f"{words}, but provided ratio is {ratio:f}"


def _amounts(resources: Json, field: str) -> dict[str, Quantity]:
    return {name: parse_quantity(text) for name, text in (resources.get(field) or {}).items()}
