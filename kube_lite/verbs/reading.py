"""Get and list: stored bytes are handed out as they are."""

from kube_lite.api.errors import BadRequest
from kube_lite.api.identity import ObjectKey
from kube_lite.registry.faults import too_large_version
from kube_lite.registry.listing import check_not_future, list_objects

from .options import EXACT, ListOptions, parse_bool, parse_list_options, parse_revision
from .parts import Parts
from .request import Answer, Listing, Request
from .selecting import scope_of


class Reading:
    """Reads objects of any resource."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def get(self, request: Request) -> Answer:
        """One object as it is now; a resourceVersion only says how new it must be."""
        objects = self._parts.objects
        if request.query:
            if parse_bool(request.query.get("export", "false")):
                raise BadRequest("the export parameter, deprecated since v1.14, is no longer supported")
            revision = parse_revision(request.query.get("resourceVersion", ""), watch=True)
            if revision is not None and revision > objects.store.revision:
                raise too_large_version(revision, objects.store.revision)
        return Answer(200, stored=objects.get(request.resource, ObjectKey(request.namespace, request.name)))

    def list(self, request: Request) -> Listing:
        """A page of a collection."""
        options = parse_list_options(request.query)
        scope = scope_of(request.resource, request.namespace, options.label_selector, options.field_selector)
        found = list_objects(
            self._parts.objects,
            scope,
            limit=0 if options.revision == 0 and not options.continue_token else options.limit,
            at=self._revision_to_show(options),
            continue_token=options.continue_token,
            as_text=request.as_text,
        )
        revision = str(found.revision)
        return Listing(found.items, revision, found.continue_token, found.remaining, text=found.text)

    def _revision_to_show(self, options: ListOptions) -> int | None:
        """The one revision that the list must be of; None for now, which is newer than anything asked for.

        Source: ``shouldDelegateList`` and ``ResourceVersionMatch`` in ``apiserver/pkg/storage``.
        """
        revision = options.revision
        if options.continue_token:
            if revision:
                raise BadRequest("specifying resource version is not allowed when using continue")
            return None
        if not revision:
            return None
        check_not_future(self._parts.objects, revision)
        is_exact = options.match == EXACT or (options.limit > 0 and not options.match)
        return revision if is_exact else None
