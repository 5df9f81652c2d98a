"""The end of an object: asked for, waited for, reached.

An object goes at once unless it is given time (``grace``: Pods on a node) or somebody has a finalizer on
it. Then it is only marked with a ``deletionTimestamp``, and goes when the time is up or the last finalizer
is taken off. What shall become of dependents is itself told by finalizers: ``foregroundDeletion`` and
``orphan``, both for the garbage collector; without them it deletes dependents afterwards.

``plan_deletion`` and ``plan_namespace_deletion`` decide, ``Deleting.delete`` writes.
Source: ``BeforeDelete`` in ``apiserver/pkg/registry/rest/delete.go``, ``Store.Delete`` in
``registry/generic/registry``, ``pkg/registry/core/namespace/storage``.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from kube_lite.api.errors import Conflict, conflict, details_of
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.meta import FOREGROUND_FINALIZER, ORPHAN_FINALIZER, generation, is_being_deleted
from kube_lite.api.resource import Resource
from kube_lite.api.strategy import Strategy
from kube_lite.api.times import format_time, parse_time
from kube_lite.kit.clock import Clock

from .objects import NOTHING_ELSE, Also, Objects
from .stored import Stored, made_up

FOREGROUND, BACKGROUND, ORPHAN = "Foreground", "Background", "Orphan"
NAMESPACES = GroupResource("", "namespaces")
DEFINITIONS = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")

Check = Callable[[Stored], Awaitable[None]]
Releases = Callable[[Json], Also]


class DeleteOptions(NamedTuple):
    """What a delete request says. Empty texts and None leave things to the kind.

    ``orphan`` is the old ``orphanDependents``; ``uid`` and ``resource_version`` are preconditions.
    """

    grace_seconds: int | None = None
    propagation: str = ""
    orphan: bool | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    def told(self) -> dict[str, Any]:
        """As admission tells them to others, beside the dry run."""
        conditions = {"uid": self.uid, "resourceVersion": self.resource_version}
        told = {
            "gracePeriodSeconds": self.grace_seconds,
            "orphanDependents": self.orphan,
            "propagationPolicy": self.propagation or None,
            "preconditions": {name: value for name, value in conditions.items() if value} or None,
        }
        return {name: value for name, value in told.items() if value is not None}


class Deletion(NamedTuple):
    """What a delete request leads to: a state to write first (or None), and whether the object then goes."""

    marked: Json | None
    goes: bool


class Deleted(NamedTuple):
    """What became of it: the last state, and whether the object is gone."""

    stored: Stored
    gone: bool


def check_preconditions(resource: Resource, obj: Json, options: DeleteOptions) -> None:
    """Refuse to delete another object, or another version of it, than was meant. Raises ``Conflict``."""
    metadata = obj["metadata"]
    if resource.group_resource == DEFINITIONS:
        _check_definition_preconditions(metadata, options)
    subject = GroupResource(resource.group, resource.kind)
    if options.uid and options.uid != metadata["uid"]:
        raise conflict(
            subject,
            metadata["name"],
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({metadata['uid']}). The object might have been deleted and then recreated",
        )
    if options.resource_version and options.resource_version != metadata["resourceVersion"]:
        raise conflict(
            subject,
            metadata["name"],
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
            f"ResourceVersion in record ({metadata['resourceVersion']}). The object might have been modified",
        )


def _check_definition_preconditions(metadata: Json, options: DeleteOptions) -> None:
    """The same in the words of the registry of CustomResourceDefinitions, which looks itself."""
    for field, wanted, name in (
        ("uid", options.uid, "UID"),
        ("resourceVersion", options.resource_version, "ResourceVersion"),
    ):
        if wanted and wanted != metadata[field]:
            found = f"{name} in precondition: {wanted}, {name} in object meta: {metadata[field]}"
            raise conflict(DEFINITIONS, metadata["name"], f"precondition failed: {found}")


def plan_deletion(resource: Resource, obj: Json, options: DeleteOptions, now: float) -> Deletion:
    """Decide what a delete request does to ``obj``, which is not changed.

    Args:
        now: seconds since the epoch.
    """
    metadata = dict(obj["metadata"])
    grace = _grace_seconds(resource, obj, options)
    if grace is not None and is_being_deleted(obj):
        left = metadata.get("deletionGracePeriodSeconds") or 0
        if left == 0:
            return Deletion(None, not metadata.get("finalizers"))
        if options.grace_seconds is None or grace >= left:  # it may only be shortened
            return Deletion(None, False)
        ends = parse_time(metadata["deletionTimestamp"]) - left + grace
        metadata |= {"deletionTimestamp": format_time(ends), "deletionGracePeriodSeconds": grace}
    finalizers = plan_finalizers(resource, metadata.get("finalizers") or [], options)
    metadata["finalizers"] = finalizers
    if grace is None:
        if not finalizers:
            return Deletion(None, True)
        if "deletionGracePeriodSeconds" not in metadata:
            metadata |= _marks(obj, now, 0)
        marked = {**obj, "metadata": metadata}
        return Deletion(None if _same_marks(metadata, obj["metadata"]) else marked, False)
    if not is_being_deleted(obj):
        metadata |= _marks(obj, now, grace)
    return Deletion({**obj, "metadata": metadata}, grace == 0 and not finalizers)


def plan_namespace_deletion(obj: Json, options: DeleteOptions, now: float) -> Deletion:
    """As ``plan_deletion``, for a namespace: emptied first, it goes when ``spec.finalizers`` are gone."""
    if is_being_deleted(obj):
        return Deletion(
            None, not (obj.get("spec") or {}).get("finalizers") and not obj["metadata"].get("finalizers")
        )
    metadata = {**obj["metadata"], "deletionTimestamp": format_time(now)}
    finalizers = _with_propagation(metadata.get("finalizers") or [], _wanted(options, None))
    metadata["finalizers"] = finalizers
    marked = {**obj, "metadata": metadata, "status": {**(obj.get("status") or {}), "phase": "Terminating"}}
    return Deletion(marked, not (obj.get("spec") or {}).get("finalizers") and not finalizers)


def plan_finalizers(resource: Resource, finalizers: list[str], options: DeleteOptions) -> list[str]:
    """The finalizers with those that tell the garbage collector what this request wants of dependents."""
    wanted = _wanted(options, None)
    if wanted is None:
        # A policy asked for by an earlier request stays; without one the kind decides.
        if ORPHAN_FINALIZER in finalizers:
            wanted = ORPHAN
        elif FOREGROUND_FINALIZER in finalizers:
            wanted = FOREGROUND
        else:
            wanted = resource.strategy.default_propagation()
    return _with_propagation(finalizers, wanted)


def goes_with_update(new: Json, old: Json) -> bool:
    """Whether an update takes off the last thing that held an object which is being deleted."""
    metadata = new["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if new.get("kind") == "Namespace" and (new.get("spec") or {}).get("finalizers"):
        return False
    return not old["metadata"].get("deletionGracePeriodSeconds")


def success(resource: Resource, obj: Json) -> Json:
    """The Status that says that an object is gone."""
    details = details_of(resource.group_resource, obj["metadata"]["name"])
    details["uid"] = obj["metadata"]["uid"]
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


class Deleting:
    """Deletes objects of any resource."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock

    async def delete(
        self, resource: Resource, key: ObjectKey, options: DeleteOptions, check: Check, releases: Releases
    ) -> Deleted:
        """Carry out a delete request, again from the start when somebody else wrote meanwhile.

        Args:
            check: raises what stands against deleting this version (admission).
            releases: what is to be given back together with the object.

        Raises:
            NotFound: there is no such object.
            Conflict: a precondition does not hold.
        """
        while True:
            stored = await self._objects.resolved(lambda: self._objects.get(resource, key))
            check_preconditions(resource, stored.object, options)
            await check(stored)
            plan = self._plan(resource, stored.object, options)
            if options.dry_run:
                return Deleted(made_up(plan.marked, stored.revision) if plan.marked else stored, plan.goes)
            try:
                if plan.marked is not None:
                    stored = await self._objects.replace(resource, stored, plan.marked)
                if not plan.goes:
                    return Deleted(stored, False)
                return Deleted(await self._objects.remove(resource, stored, releases(stored.object)), True)
            except Conflict:
                continue  # whoever was faster may have changed what is to be done, preconditions included

    def _plan(self, resource: Resource, obj: Json, options: DeleteOptions) -> Deletion:
        if resource.group_resource == NAMESPACES:
            return plan_namespace_deletion(obj, options, self._clock.now())
        begun = resource.strategy.begin_deletion(obj, self._clock.now())
        if begun is not None:
            marked = begun if begun is not obj else None
            return Deletion(marked, marked is None and not obj["metadata"].get("finalizers"))
        return plan_deletion(resource, obj, options, self._clock.now())


def is_graceful(resource: Resource) -> bool:
    """Whether objects of this kind are given time to end, at least some of them."""
    return type(resource.strategy).default_grace_seconds is not Strategy.default_grace_seconds


def releases_nothing(_obj: Json) -> Also:
    """For kinds that hold nothing beside themselves."""
    return NOTHING_ELSE


def _grace_seconds(resource: Resource, obj: Json, options: DeleteOptions) -> int | None:
    """How long an object may take to end; None where its kind knows no such thing."""
    if not is_graceful(resource):
        return None
    usual = resource.strategy.default_grace_seconds(obj)
    if not usual:
        return 0  # nothing runs that would need the time
    if options.grace_seconds is None:
        return usual
    return 1 if options.grace_seconds < 0 else options.grace_seconds


def _marks(obj: Json, now: float, grace: int) -> Json:
    marks: Json = {"deletionTimestamp": format_time(now + grace), "deletionGracePeriodSeconds": grace}
    if generation(obj):
        marks["generation"] = generation(obj) + 1
    return marks


def _same_marks(new: Json, old: Json) -> bool:
    return {**new, "finalizers": new.get("finalizers") or []} == {
        **old,
        "finalizers": old.get("finalizers") or [],
    }


def _wanted(options: DeleteOptions, otherwise: str | None) -> str | None:
    if options.orphan is not None:
        return ORPHAN if options.orphan else BACKGROUND
    return options.propagation or otherwise


def _with_propagation(finalizers: list[str], policy: str | None) -> list[str]:
    if policy is None:
        return finalizers
    wanted = {ORPHAN: ORPHAN_FINALIZER, FOREGROUND: FOREGROUND_FINALIZER}.get(policy)
    if wanted in finalizers and not ({ORPHAN_FINALIZER, FOREGROUND_FINALIZER} - {wanted}) & set(finalizers):
        return finalizers
    rest = [name for name in finalizers if name not in (ORPHAN_FINALIZER, FOREGROUND_FINALIZER)]
    return [*rest, wanted] if wanted else rest
