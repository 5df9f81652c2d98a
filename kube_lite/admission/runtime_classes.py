"""A Pod that names a RuntimeClass gets what running it costs and where it can run.

Source: ``plugin/pkg/admission/runtimeclass``.
"""

from kube_lite.api.identity import GroupResource, Json, ObjectKey

from .chain import CREATE, PODS, Attempt, Rule

CLASSES = GroupResource("node.k8s.io", "runtimeclasses")


class RuntimeClasses(Rule):
    """Finds the class, and takes over its overhead and its scheduling."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New Pods."""
        return operation == CREATE and resource == PODS and not subresource

    async def mutate(self, attempt: Attempt) -> None:
        """Add the overhead, the node selector and the tolerations of the class."""
        spec = attempt.obj.get("spec")
        found = _class_of(attempt)
        if spec is None or found is None:
            return
        overhead = (found.get("overhead") or {}).get("podFixed")
        if overhead:
            if spec.get("overhead") and spec["overhead"] != overhead:
                raise attempt.refuse(
                    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
                )
            spec["overhead"] = dict(overhead)
        scheduling = found.get("scheduling") or {}
        if scheduling.get("nodeSelector"):
            spec["nodeSelector"] = _merged(
                attempt, spec.get("nodeSelector") or {}, scheduling["nodeSelector"]
            )
        mine = spec.get("tolerations") or []
        more = [entry for entry in scheduling.get("tolerations") or () if entry not in mine]
        if more:
            spec["tolerations"] = [*mine, *more]

    async def validate(self, attempt: Attempt) -> None:
        """Overhead is the class's to say."""
        spec = attempt.obj.get("spec") or {}
        found = _class_of(attempt)
        has_overhead = bool(((found or {}).get("overhead") or {}).get("podFixed"))
        if spec.get("overhead") is not None and not has_overhead:
            why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise attempt.refuse(why)


def _class_of(attempt: Attempt) -> Json | None:
    """The class a Pod names; None when it names none. Raises ``Forbidden`` when there is no such class."""
    name = (attempt.obj.get("spec") or {}).get("runtimeClassName")
    if not name:
        return None
    found = attempt.objects.peek(CLASSES, ObjectKey("", name))
    if found is None:
        raise attempt.refuse(f'pod rejected: RuntimeClass "{name}" not found')
    return found


def _merged(attempt: Attempt, mine: Json, theirs: Json) -> Json:
    for key, value in theirs.items():
        if mine.get(key, value) != value:
            why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
            raise attempt.refuse(f"{why}pod.spec.nodeSelector[{key}] = {mine[key]}")
    return {**mine, **theirs}
