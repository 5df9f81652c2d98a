"""Delete and deletecollection."""

from collections.abc import Mapping
from typing import Any

from kube_lite.admission.chain import DELETE
from kube_lite.api.codecs import JSON, DecodeError, decode, json_type, reading
from kube_lite.api.errors import BadRequest, NotFound
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.registry.deleting import DeleteOptions, success
from kube_lite.registry.listing import list_objects
from kube_lite.registry.stored import Stored

from .options import checked_delete_options, delete_options_from_query, parse_list_options
from .parts import Parts
from .request import Answer, Listing, Request
from .selecting import scope_of
from .writing import Writing

JOBS = GroupResource("batch", "jobs")
PODS_STAY = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to "
    "remove them or set propagationPolicy=Orphan to suppress this warning"
)
OPTIONS_SCHEME = "pkg/apis/meta/internalversion/scheme/register.go:27"
INTO_OPTIONS = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
)
FIELDS = {
    "gracePeriodSeconds": ((int,), "int64"),
    "orphanDependents": ((bool,), "bool"),
    "propagationPolicy": ((str,), "v1.DeletionPropagation"),
    "preconditions": ((dict,), "v1.Preconditions"),
    "dryRun": ((list,), "[]string"),
}


class DeletingVerbs:
    """Deletes objects of any resource."""

    def __init__(self, parts: Parts, writing: Writing) -> None:
        self._parts = parts
        self._writing = writing

    async def delete(self, request: Request) -> Answer:
        """DELETE of one object: the object where it has to wait, or for some kinds, else a Status."""
        return await self.delete_object(request, read_delete_options(request))

    async def delete_object(self, request: Request, options: DeleteOptions) -> Answer:
        """The same with options that were read already."""
        resource, parts = request.resource, self._parts
        key = ObjectKey(request.namespace, request.name)

        told: list[str] = []

        async def admit(stored: Stored) -> None:
            attempt = parts.attempt(
                DELETE, resource, key, stored.object, stored.object, request.user,
                dry_run=options.dry_run, options=options.told,
            )  # fmt: skip
            await parts.admission.mutate(attempt)
            await parts.admission.validate(attempt)
            told[:] = attempt.warnings

        deleted = await parts.deleting.delete(resource, key, options, admit, self._writing.releases(resource))
        warnings = (*warnings_of(resource.group_resource, options), *told)
        if deleted.gone and not resource.strategy.returns_deleted:
            return Answer(200, object=success(resource, deleted.stored.object), warnings=warnings)
        is_accepted = not deleted.gone and options.orphan is False  # dependents go first, which takes a while
        return Answer(202 if is_accepted else 200, stored=deleted.stored, warnings=warnings)

    async def delete_collection(self, request: Request) -> Listing:
        """DELETE of a collection: the objects as they were before."""
        options = read_delete_options(request)
        chosen = parse_list_options(request.query)
        scope = scope_of(request.resource, request.namespace, chosen.label_selector, chosen.field_selector)
        objects = self._parts.objects
        found = await objects.resolved(
            lambda: list_objects(objects, scope, limit=chosen.limit, continue_token=chosen.continue_token)
        )
        for stored in found.items:
            one = request._replace(
                verb="delete", namespace=stored.key.namespace, name=stored.key.name, body=None
            )
            try:
                await self.delete_object(one, options)
            except NotFound:
                continue  # somebody else was faster, to the same end
        warnings = warnings_of(request.resource.group_resource, options) if found.items else ()
        return Listing(found.items, str(found.revision), found.continue_token, found.remaining, warnings)


def warnings_of(resource: GroupResource, options: DeleteOptions) -> tuple[str, ...]:
    """What somebody should know who deletes without saying what becomes of dependents."""
    is_said = bool(options.propagation) or options.orphan is not None
    return () if is_said or resource != JOBS else (PODS_STAY,)


def read_delete_options(request: Request) -> DeleteOptions:
    """The options of a delete: the body's where there is one, else those of the query.

    Raises:
        BadRequest, Invalid: they cannot be read, or make no sense.
    """
    body = request.body
    if isinstance(body, bytes) and body:
        try:
            body = decode(body, request.content_type).value
        except DecodeError as error:
            why = reading(request.content_type) or reading(JSON)
            raise BadRequest(f"{why}{error}") from error
        if not isinstance(body, dict):
            why = f"json: cannot unmarshal {json_type(body)} into Go value of type {INTO_OPTIONS}"
            raise BadRequest(f"couldn't get version/kind; json parse error: {why}")
    if not isinstance(body, dict):
        return delete_options_from_query(request.query)
    _check_kind(body)
    _check_types(body)
    wanted: Json = body.get("preconditions") or {}
    return checked_delete_options(
        grace=body.get("gracePeriodSeconds"),
        orphan=body.get("orphanDependents"),
        propagation=body.get("propagationPolicy"),
        dry_run=body.get("dryRun") or [],
        uid=wanted.get("uid") or "",
        resource_version=wanted.get("resourceVersion") or "",
    )


def _check_kind(body: Mapping[str, Any]) -> None:
    kind, version = body.get("kind") or "DeleteOptions", body.get("apiVersion") or "v1"
    if kind != "DeleteOptions":
        why = f'no kind "{kind}" is registered for version "{version}" in scheme "{OPTIONS_SCHEME}"'
        raise BadRequest(why)


def _check_types(body: Mapping[str, Any]) -> None:
    for field, (types, go_type) in FIELDS.items():
        value = body.get(field)
        if value is not None and type(value) not in types:
            what = f"number {value}" if type(value) is float else json_type(value)
            raise BadRequest(
                f"json: cannot unmarshal {what} into Go struct field DeleteOptions.{field} of type {go_type}"
            )
