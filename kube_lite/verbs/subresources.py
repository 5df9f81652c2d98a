"""What lies below an object: status, scale, binding, eviction, token; and reviews, which are never stored.

Streams (log, exec, attach, port-forward, proxy) are not answered here: whoever carries bytes asks the node
for them.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from kube_lite.admission.chain import CREATE
from kube_lite.api.codecs import decode_object
from kube_lite.api.errors import MODIFIED, BadRequest, NotFound, conflict
from kube_lite.api.identity import GroupResource, GroupVersionKind, Json, ObjectKey
from kube_lite.api.meta import copy
from kube_lite.api.resource import Resource
from kube_lite.kinds import scale_resource
from kube_lite.registry import pod_changes
from kube_lite.registry.patching import change_object
from kube_lite.registry.stored import Stored
from kube_lite.registry.subresources import SCALE, bound, check_binding, plan_eviction, scale_of, scaled

from . import metadata as meta
from .applying import Scaling, read_configuration
from .decoding import read_body
from .deleting import DeletingVerbs, read_delete_options
from .options import WriteOptions, parse_write_options
from .owning import is_apply, put, record
from .parts import Parts
from .patching import PatchingVerbs, patch_reader
from .request import Answer, Request
from .reviews import Reviews
from .tokens import Tokens
from .writing import Prepare, Writing

SCALE_SCHEMA = "io.k8s.api.autoscaling.v1.Scale"
PODS = GroupResource("", "pods")
BUDGETS = GroupResource("policy", "poddisruptionbudgets")
BINDINGS = GroupResource("", "bindings")
DONE: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

Handler = Callable[[Request], Awaitable[Answer]]


OLD_EVICTION = "policy/v1beta1"
"""What evictions may still say they are; nothing else about them has changed."""


class _Asked(NamedTuple):
    """What a request wants of a scale.

    Attributes:
        owning: who owns what by it.
        scale: the ``Scale`` asked for, given the version that is there.
        warnings: of how that was written; known when ``scale`` was made.
    """

    options: WriteOptions
    owning: Scaling
    scale: Callable[[Json], Json]
    warnings: list[str]


class Subresources:
    """Answers requests below an object."""

    def __init__(
        self, parts: Parts, writing: Writing, patching: PatchingVerbs, deleting: DeletingVerbs
    ) -> None:
        self._parts = parts
        self._writing = writing
        self._patching = patching
        self._deleting = deleting
        self._reviews = Reviews(parts)
        self._handlers: dict[str, Handler] = {
            "status": self._status,
            "scale": self._scale,
            "binding": self._bind,
            "eviction": self._evict,
            "token": Tokens(parts).request,
            "finalize": self._finalize,
            "approval": self._approve,
            "ephemeralcontainers": self._ephemeral_containers,
            "resize": self._resize,
            "rollback": self._roll_back,
        }

    async def handle(self, request: Request) -> Answer:
        """Answer a request for a subresource.

        Raises:
            BadRequest: it is a stream.
        """
        handler = self._handlers.get(request.subresource)
        if handler is None:
            raise BadRequest(f"{request.resource.plural}/{request.subresource} is a stream")
        return await handler(request)

    def review(self, request: Request) -> Awaitable[Answer] | None:
        """What answers a creation of something that is never stored; None for every other creation."""
        if request.resource.group_resource == BINDINGS:
            return self._bind(request)
        return self._reviews.answer(request)

    async def _get(self, request: Request) -> Stored:
        objects, key = self._parts.objects, ObjectKey(request.namespace, request.name)
        return await objects.resolved(lambda: objects.get(request.resource, key))

    async def _status(self, request: Request) -> Answer:
        return await self._as_update(request, self._writing.prepare_status)

    async def _as_update(self, request: Request, prepare: Prepare | None = None) -> Answer:
        """Subresources that are another door to the same object."""
        if request.verb == "get":
            return Answer(200, stored=await self._get(request))
        if request.verb == "patch":
            return await self._patching.patch(request, prepare)
        return await self._writing.update(request, prepare)

    async def _approve(self, request: Request) -> Answer:
        """Another door to the status of a certificate request, by which only its conditions come in."""
        from kube_lite.kinds.checks.signing import check_approval  # start-up does without rules

        async def prepare(
            request: Request, key: ObjectKey, obj: Json, old: Json, options: WriteOptions
        ) -> tuple[Json, list[str]]:
            status = dict(old.get("status") or {})
            status["conditions"] = (obj.get("status") or {}).get("conditions") or []
            if not status["conditions"]:
                del status["conditions"]
            sent = {**obj, "status": status}
            return await self._writing.prepare_status(request, key, sent, old, options, check_approval)

        return await self._as_update(request, prepare)

    async def _ephemeral_containers(self, request: Request) -> Answer:
        part = pod_changes.with_ephemeral_containers, pod_changes.check_ephemeral_containers
        return await self._as_update(request, self._writing.prepare_part(*part))

    async def _roll_back(self, request: Request) -> Answer:
        from .rollback import Rollbacks  # only versions of old have it

        return await Rollbacks(self._parts, self._writing).request(request)

    async def _resize(self, request: Request) -> Answer:
        part = pod_changes.with_resources, pod_changes.check_resources
        return await self._as_update(request, self._writing.prepare_part(*part))

    async def _scale(self, request: Request) -> Answer:
        paths = request.resource.strategy.scale
        if request.verb == "get":
            scale = scale_of((await self._get(request)).object, paths)
            if paths:
                from kube_lite.registry.custom_scale import shown  # which nothing that is built in needs

                scale = shown(scale, paths)
            return Answer(200, object=scale, row=scale_resource())
        key, resource = ObjectKey(request.namespace, request.name), request.resource
        options, scaling, asked, warnings = self._scale_asked(request)

        async def next_version(old: Json) -> Json:
            scale = asked(old)
            version = meta.parse_version(scale["metadata"].get("resourceVersion", ""))
            if version and str(version) != old["metadata"]["resourceVersion"]:
                raise conflict(resource.group_resource, request.name, MODIFIED)
            workload = scaled(copy(old), scale, paths)
            scaling.put(workload, old, scale)
            return workload

        await self._get(request)  # what is not there is told before anything that is wrong with the body
        answer = await self._writing.change(request, key, next_version, options)
        return Answer(
            200,
            object=scale_of(answer.as_object(), paths),
            warnings=(*warnings, *answer.warnings),
            row=scale_resource(),
        )

    def _scale_asked(self, request: Request) -> _Asked:
        """What a request wants of a scale."""
        parts, schema = self._parts, self._parts.definitions.schema(SCALE_SCHEMA)
        warnings: list[str] = []
        if request.verb == "patch":
            options = self._patching.options(request)
            configuration = read_configuration(request) if is_apply(request) else None
            read = patch_reader(request, options) if configuration is None else None
        else:
            options = parse_write_options("UpdateOptions", request.query, user_agent=request.user_agent)
            body = read_body(parts, SCALE, schema, request.body, request.content_type, options)
            warnings.extend(body.warnings)
            configuration = read = None
        scaling = Scaling(parts, request, options, schema)

        def asked(old: Json) -> Json:
            scale = scale_of(old, request.resource.strategy.scale)
            shown = scaling.shown(old, scale)
            if configuration is not None:
                wanted = scaling.applied(shown, configuration, SCALE)
            elif read is not None:
                patched, texts = self._patching.result(read(), shown, SCALE, schema, options)
                warnings[:] = texts
                wanted = scaling.updated(shown, patched)
            else:
                wanted = scaling.updated(shown, body.obj)
            meta.check_name(wanted, request.name)
            meta.place(request.resource, wanted, request.namespace)
            return wanted

        return _Asked(options, scaling, asked, warnings)

    async def _bind(self, request: Request) -> Answer:
        options = parse_write_options("CreateOptions", request.query, user_agent=request.user_agent)
        binding = self._read(
            request, GroupVersionKind("", "v1", "Binding"), "io.k8s.api.core.v1.Binding", options
        )
        name = binding["metadata"].get("name") or request.name
        if request.name and name != request.name:
            raise BadRequest("name in URL does not match name in Binding object")
        check_binding(binding)
        pods, parts = self._row(PODS), self._parts
        key, uid = ObjectKey(request.namespace, name), binding["metadata"].get("uid")
        await self._admit(request, pods, key, binding, options)

        async def bind(old: Stored) -> Json:
            found = old.object["metadata"]["uid"]
            if uid and uid != found:
                raise conflict(PODS, name, meta.wrong_uid(pods, key, uid, found))
            return bound(old.object, binding, parts.clock.now())

        await change_object(parts.objects, pods, key, bind, dry_run=options.dry_run)
        return Answer(201, object=dict(DONE))

    async def _evict(self, request: Request) -> Answer:
        options = parse_write_options("CreateOptions", request.query, user_agent=request.user_agent)
        gvk = GroupVersionKind("policy", "v1", "Eviction")
        eviction = self._read(in_newest_version(request, gvk), gvk, "io.k8s.api.policy.v1.Eviction", options)
        meta.place(request.resource, eviction, request.namespace)
        if eviction["metadata"].get("name", "") != request.name:
            raise BadRequest("name in URL does not match name in Eviction object")
        parts, key = self._parts, ObjectKey(request.namespace, request.name)
        pod = (await self._get(request)).object
        wanted = read_delete_options(request._replace(body=eviction.get("deleteOptions") or {}))
        is_trial = options.dry_run or wanted.dry_run
        await self._admit(request, request.resource, key, eviction, options)
        budget = plan_eviction(pod, list(parts.objects.all(BUDGETS, request.namespace)), parts.clock.now())
        if budget is not None and not is_trial:

            async def charge(old: Stored) -> Json:
                charged = plan_eviction(pod, [old.object], parts.clock.now())
                return (
                    charged.charged if charged else {**old.object, "metadata": dict(old.object["metadata"])}
                )

            await change_object(
                parts.objects, self._row(BUDGETS), ObjectKey(request.namespace, budget.name), charge
            )
        one = request._replace(verb="delete", subresource="", body=None)
        await self._deleting.delete_object(one, wanted._replace(dry_run=is_trial))
        return Answer(201, object=dict(DONE))

    async def _finalize(self, request: Request) -> Answer:
        """PUT of a namespace's ``spec.finalizers``; the last one gone, a namespace that was deleted goes."""

        async def prepare(
            request: Request, key: ObjectKey, obj: Json, old: Json, options: WriteOptions
        ) -> tuple[Json, list[str]]:
            finalizers = (obj.get("spec") or {}).get("finalizers") or []
            spec = {"finalizers": finalizers} if finalizers else {}
            next_version = {**old, "metadata": dict(old["metadata"]), "spec": spec}
            put(next_version, record(self._parts, request, obj, old, options))
            return next_version, []

        return await self._writing.update(request, prepare)

    def _read(self, request: Request, gvk: GroupVersionKind, schema: str, options: WriteOptions) -> Json:
        body = read_body(
            self._parts,
            gvk,
            self._parts.definitions.schema(schema),
            request.body,
            request.content_type,
            options,
        )
        return body.obj

    async def _admit(
        self, request: Request, resource: Resource, key: ObjectKey, body: Json, options: WriteOptions
    ) -> None:
        attempt = self._parts.attempt(
            CREATE, resource, key, body, None, request.user,
            subresource=request.subresource, dry_run=options.dry_run, options=options.told,
        )  # fmt: skip
        await self._parts.admission.mutate(attempt)
        await self._parts.admission.validate(attempt)

    def _row(self, resource: GroupResource) -> Resource:
        rows = self._parts.registry.of_group_resource(resource)
        if not rows:
            raise NotFound("the server could not find the requested resource", details={})
        return rows[0]


def in_newest_version(request: Request, gvk: GroupVersionKind) -> Request:
    """An eviction that was written for the older version of its API, as one of the newest."""
    body = request.body
    if isinstance(body, bytes) and OLD_EVICTION.encode() in body:
        body = decode_object(body, request.content_type, gvk.kind).value
    if isinstance(body, dict) and body.get("apiVersion") == OLD_EVICTION:
        return request._replace(body={**body, "apiVersion": gvk.api_version})
    return request
