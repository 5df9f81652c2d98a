"""Create and update: from a body to a version in the store.

A creation: read, default, let admission change it, stamp, validate, let admission refuse it, write. An
update does the same between the version that is there and the next, and does it again when somebody else
was faster.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from kube_lite.admission.chain import CREATE, UPDATE
from kube_lite.api.errors import MODIFIED, AlreadyExists, Cause, already_exists, conflict, invalid, telling
from kube_lite.api.identity import GroupResource, Json, ObjectKey, key_of
from kube_lite.api.meta import copy
from kube_lite.api.names import generate_name
from kube_lite.api.patch.ownership import settle
from kube_lite.api.resource import Resource
from kube_lite.registry.objects import NOTHING_ELSE, Also, Taken
from kube_lite.registry.patching import change_object
from kube_lite.registry.stored import Stored

from . import metadata as meta
from . import owning
from .decoding import Body, read_body
from .granting import check_grants
from .options import WriteOptions, parse_write_options
from .parts import Parts
from .request import Answer, Request

SERVICES = GroupResource("", "services")
NAME_ATTEMPTS = 8  # generated names that may turn out to be taken; upstream's number
TAKEN_ATTEMPTS = 20  # addresses that somebody else took in the same moment

Next = Callable[[Json], Awaitable[Json]]
"""The version that is there (shared) → what the next should say, a private copy."""

Prepare = Callable[[Request, ObjectKey, Json, Json, WriteOptions], Awaitable[tuple[Json, list[str]]]]
"""Request, key, next version, version that is there, options → what to write, and warnings."""


class Writing:
    """Creates and updates objects of any resource."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def create(self, request: Request) -> Answer:
        """POST to a collection."""
        options = parse_write_options("CreateOptions", request.query, user_agent=request.user_agent)
        body = self.read(request, options)
        with telling(body.warnings):
            return await self.create_object(request, body, options)

    async def update(self, request: Request, prepare: Prepare | None = None) -> Answer:
        """PUT of one object, or of a subresource that has the object's form."""
        options = parse_write_options("UpdateOptions", request.query, user_agent=request.user_agent)
        body = self.read(request, options)
        resource, obj = request.resource, body.obj
        meta.place(resource, obj, request.namespace)
        meta.check_name(obj, request.name)
        key = ObjectKey(obj["metadata"].get("namespace", ""), request.name)
        may_create = resource.strategy.create_on_update and not request.subresource
        if may_create and not self._parts.objects.is_there(resource, key):
            uid = obj["metadata"].get("uid")
            if uid:
                raise conflict(resource.group_resource, key.name, meta.wrong_uid(resource, key, uid, ""))
            return await self.create_object(request, body, options)
        version = meta.parse_version(obj["metadata"].get("resourceVersion", ""))
        given_uid = obj["metadata"].get("uid")

        async def replace(old: Json) -> Json:
            if given_uid and given_uid != old["metadata"]["uid"]:
                why = meta.wrong_uid(resource, key, given_uid, old["metadata"]["uid"])
                raise conflict(resource.group_resource, key.name, why)
            self._check_version(resource, obj, version, old)
            if resource.group_resource == SERVICES:
                again: Json = copy(obj)  # addresses are chosen in it, others when it has to be done again
                return again
            return {**obj, "metadata": dict(obj["metadata"])}

        with telling(body.warnings):
            return await self.change(
                request, key, replace, options, prepare=prepare, warnings=body.warnings, retry=not version
            )

    def read(self, request: Request, options: WriteOptions) -> Body:
        """The body as an object of the resource."""
        resource, parts = request.resource, self._parts
        body = read_body(
            parts, resource.gvk, parts.schema(resource), request.body, request.content_type, options
        )
        told = meta.without_twins(body.obj["metadata"])
        return body._replace(warnings=(*body.warnings, told)) if told else body

    async def create_object(self, request: Request, body: Body, options: WriteOptions) -> Answer:
        """Write a new object.

        Raises:
            AlreadyExists, Invalid, Forbidden, and what admission says.
        """
        parts, resource, obj = self._parts, request.resource, body.obj
        strategy = resource.strategy
        meta.place(resource, obj, request.namespace)
        strategy.default(obj)
        owners = await parts.objects.resolved(lambda: owning.record(parts, request, obj, None, options))
        key = ObjectKey(obj["metadata"].get("namespace", ""), obj["metadata"].get("name", ""))
        attempt = parts.attempt(
            CREATE, resource, key, obj, None, request.user, dry_run=options.dry_run, options=options.told
        )
        if strategy.closed:
            raise attempt.refuse(strategy.closed)
        await parts.admission.mutate(attempt)
        check_grants(parts.authorizer, attempt, request.name)
        obj = attempt.obj
        meta.begin(obj, parts.clock.now(), parts.source, counts_generations=strategy.has_generation)
        owning.put(obj, owners)
        if not key.name:
            strategy.default(obj)  # some defaults follow from the name
        strategy.prepare_for_create(obj)
        strategy.drop_retired(obj, None)
        spec = self._complete(resource, obj, None)
        self._refuse(resource, obj, strategy.validate(obj))
        await parts.admission.validate(attempt)
        if strategy.defaults_when_read:
            strategy.default(obj)
        warnings = (*body.warnings, *strategy.warnings(obj), *attempt.warnings)
        with telling(warnings[len(body.warnings) :]):
            if options.dry_run:
                return Answer(201, object=await self._pretend(resource, obj), warnings=warnings)
            stored = await self._insert(resource, obj, spec, is_named=bool(key.name))
        return Answer(201, stored=stored, warnings=warnings)

    async def change(
        self,
        request: Request,
        key: ObjectKey,
        following: Next,
        options: WriteOptions,
        *,
        prepare: Prepare | None = None,
        warnings: Sequence[str] = (),
        retry: bool = True,
    ) -> Answer:
        """Write the next version of an object.

        Args:
            following: may be asked several times, once for each version it has to follow.
            prepare: what is done to it before it is written; None for all that an ordinary update needs.
            retry: follow a newer version when somebody else was faster.
        """
        parts, resource = self._parts, request.resource
        told: list[str] = []

        async def next_version(old: Stored) -> Json:
            obj = await following(old.object)
            obj, texts = await (prepare or self.prepare_update)(request, key, obj, old.object, options)
            told[:] = texts
            settle(obj, old.object)
            return obj

        for attempt in range(TAKEN_ATTEMPTS):
            try:
                stored = await change_object(
                    parts.objects, resource, key, next_version,
                    accompany=self._accompany(resource), dry_run=options.dry_run, retry=retry,
                )  # fmt: skip
                return Answer(200, stored=stored, warnings=(*warnings, *told))
            except Taken as taken:
                if attempt == TAKEN_ATTEMPTS - 1:
                    raise parts.addresses.refuse_taken(
                        parts.objects.get(resource, key).object, taken
                    ) from taken
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def prepare_update(
        self, request: Request, key: ObjectKey, obj: Json, old: Json, options: WriteOptions
    ) -> tuple[Json, list[str]]:
        """What a next version goes through before it is written: default, keep, admit, validate.

        Returns:
            the version to write, and warnings.
        """
        parts, resource, strategy = self._parts, request.resource, request.resource.strategy
        strategy.default(obj)
        sent = obj
        owners = await parts.objects.resolved(lambda: owning.record(parts, request, sent, old, options))
        attempt = parts.attempt(
            UPDATE, resource, key, obj, old, request.user,
            subresource=request.subresource, dry_run=options.dry_run, options=options.told,
        )  # fmt: skip
        meta.keep(obj, old)
        owning.put(obj, owners)
        if strategy.has_status and resource.subresource("status") is not None:
            _keep_status(obj, old)
        strategy.prepare_for_update(obj, old)
        strategy.drop_retired(obj, old)
        await parts.admission.mutate(attempt)
        check_grants(parts.authorizer, attempt, request.name)
        obj = attempt.obj
        self._complete(resource, obj, old)
        if strategy.has_generation:
            meta.count_generation(obj, old)
        causes = [*meta.check_update(obj, old), *strategy.validate_next(obj, old)]
        self._refuse(resource, obj, causes)
        advice = strategy.warnings_of_change(obj, old)
        with telling(advice):
            await parts.admission.validate(attempt)
        return obj, [*advice, *attempt.warnings]

    async def prepare_status(
        self,
        request: Request,
        key: ObjectKey,
        obj: Json,
        old: Json,
        options: WriteOptions,
        check: Callable[[Json, Json], Iterable[Cause]] | None = None,
    ) -> tuple[Json, list[str]]:
        """The same for the ``status`` subresource: of the body only status and metadata count.

        Args:
            check: next version and the one that is there → what is wrong; None for the kind's own rules.
        """
        strategy = request.resource.strategy
        rules = check or strategy.validate_status_update
        strategy.default(obj)
        parts = self._parts
        owners = await parts.objects.resolved(lambda: owning.record(parts, request, obj, old, options))
        meta.keep(obj, old)
        owning.put(obj, owners)
        next_version = {**old, "metadata": obj["metadata"]}
        next_version.pop("status", None)
        if obj.get("status") is not None:
            next_version["status"] = obj["status"]
        strategy.prepare_for_status_update(next_version, old, self._parts.clock.now())
        return await self._admit(
            request, key, next_version, old, options,
            lambda new, old: (*meta.check_update(new, old), *rules(new, old)),
        )  # fmt: skip

    def prepare_part(
        self, take: Callable[[Json, Json], Json], check: Callable[[Json, Json], Iterable[Cause]]
    ) -> Prepare:
        """The same for a subresource that changes a part of the spec.

        Args:
            take: the version that is there, and the body → the next version.
            check: next version and the one that is there → what is wrong with the change.
        """

        async def prepare(
            request: Request, key: ObjectKey, obj: Json, old: Json, options: WriteOptions
        ) -> tuple[Json, list[str]]:
            strategy = request.resource.strategy
            strategy.default(obj)
            next_version = take(old, obj)
            next_version["metadata"] = dict(next_version["metadata"])
            owning.put(next_version, owning.record(self._parts, request, obj, old, options))
            if strategy.has_generation:
                meta.count_generation(next_version, old)
            return await self._admit(
                request, key, next_version, old, options,
                lambda new, old: (*strategy.validate(new), *check(new, old)),
            )  # fmt: skip

        return prepare

    async def _admit(
        self,
        request: Request,
        key: ObjectKey,
        obj: Json,
        old: Json,
        options: WriteOptions,
        check: Callable[[Json, Json], Iterable[Cause]],
    ) -> tuple[Json, list[str]]:
        """Let admission see a change below an object, and refuse what ``check`` finds in between."""
        parts, resource = self._parts, request.resource
        attempt = parts.attempt(
            UPDATE, resource, key, obj, old, request.user,
            subresource=request.subresource, dry_run=options.dry_run, options=options.told,
        )  # fmt: skip
        await parts.admission.mutate(attempt)
        self._refuse(resource, attempt.obj, tuple(check(attempt.obj, old)))
        await parts.admission.validate(attempt)
        return attempt.obj, list(attempt.warnings)

    async def _insert(self, resource: Resource, obj: Json, spec: Json | None, *, is_named: bool) -> Stored:
        """Create; again with another generated name, or other chosen addresses, while those are taken."""
        parts, metadata = self._parts, obj["metadata"]
        objects = parts.objects
        for attempt in range(TAKEN_ATTEMPTS):
            try:
                return await objects.create(resource, obj, self._accompany(resource)(obj, None))
            except AlreadyExists as error:
                if is_named or attempt >= NAME_ATTEMPTS:
                    error = _not_generated(metadata, error)
                    there = await objects.resolved(lambda: objects.find(resource, key_of(obj)))
                    if there is not None and there.object["metadata"].get("deletionTimestamp"):
                        why = f"object is being deleted: {error.message}"
                        raise AlreadyExists(
                            why, details=error.details, retry_after=error.retry_after
                        ) from error
                    raise error
                metadata["name"] = generate_name(metadata["generateName"], parts.source)
            except Taken as taken:
                if attempt == TAKEN_ATTEMPTS - 1:
                    raise parts.addresses.refuse_taken(obj, taken) from taken
                obj["spec"] = (
                    spec  # as it was before addresses were chosen; refuses what was asked for and is taken
                )
                spec = self._complete(resource, obj, None)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _pretend(self, resource: Resource, obj: Json) -> Json:
        objects = self._parts.objects
        if await objects.resolved(lambda: objects.find(resource, key_of(obj))) is not None:
            taken = already_exists(resource.group_resource, obj["metadata"]["name"])
            raise _not_generated(obj["metadata"], taken)
        return obj

    def _complete(self, resource: Resource, obj: Json, old: Json | None) -> Json | None:
        """Give a Service what it lacks. Returns its spec as it was before, None for everything else."""
        if resource.group_resource != SERVICES or not isinstance(obj.get("spec"), dict):
            return None
        before: Json = copy(obj["spec"])
        self._parts.addresses.complete(obj, old)
        return before

    def _accompany(self, resource: Resource) -> Callable[[Json | None, Json | None], Also]:
        return self._parts.addresses.changes if resource.group_resource == SERVICES else _nothing_else

    def releases(self, resource: Resource) -> Callable[[Json], Also]:
        """What a deletion gives back."""
        if resource.group_resource == SERVICES:
            return lambda obj: self._parts.addresses.changes(None, obj)
        return lambda obj: NOTHING_ELSE

    def _refuse(self, resource: Resource, obj: Json, causes: Sequence[Cause]) -> None:
        if causes:
            raise invalid(resource.group, resource.kind, obj["metadata"].get("name", ""), causes)

    def _check_version(self, resource: Resource, obj: Json, version: int, old: Json) -> None:
        metadata = obj["metadata"]
        if version:
            if str(version) != old["metadata"]["resourceVersion"]:
                raise conflict(resource.group_resource, metadata["name"], MODIFIED)
        elif not resource.strategy.unconditional_update:
            why = "Invalid value: 0: must be specified for an update"
            cause = Cause("FieldValueInvalid", why, "metadata.resourceVersion")
            raise invalid(resource.group, resource.plural, metadata["name"], [cause])


def _not_generated(metadata: Json, error: AlreadyExists) -> AlreadyExists:
    """What is said of a taken name where one was to be generated, even if another was given."""
    if not metadata.get("generateName"):
        return error
    why = f"{error.message}, the server was not able to generate a unique name for the object"
    return AlreadyExists(why, details=error.details, retry_after=1)


def _keep_status(obj: Json, old: Json) -> None:
    if "status" in old:
        obj["status"] = old["status"]
    else:
        obj.pop("status", None)


def _nothing_else(_new: Json | None, _old: Json | None) -> Also:
    return NOTHING_ELSE
