"""ComponentStatuses: how the parts of the cluster are, found out when somebody asks.

They are objects of no store: without uid and version, and not to be watched.
Source: ``pkg/registry/core/componentstatus/rest.go``.
"""

from collections.abc import Callable

from kube_lite.api.errors import not_found
from kube_lite.api.identity import GroupResource, GroupVersionResource, Json
from kube_lite.registry.stored import Stored, made_up

from .options import parse_list_options
from .request import Answer, Listing, Request
from .selecting import scope_of

COMPONENT_STATUSES = GroupVersionResource("", "v1", "componentstatuses")
SINGULAR = GroupResource("", "componentstatus")  # as refusals call it
ABSENT = "this server does not run it: see its setting parts"

Look = Callable[[], str]
"""What is wrong with a component; an empty text where nothing is."""


class Components:
    """Answers about the parts of the cluster, in the order in which they were told of."""

    def __init__(self) -> None:
        self._looks: dict[str, Look] = {"controller-manager": _absent, "scheduler": _absent}

    def tell(self, name: str, look: Look) -> None:
        """There is a component, and this is how to look at it."""
        self._looks[name] = look

    def get(self, request: Request) -> Answer:
        """One component.

        Raises:
            NotFound: there is none of that name.
        """
        look = self._looks.get(request.name)
        if look is None:
            raise not_found(SINGULAR, request.name)
        return Answer(200, object=_status(request.name, look()))

    def list(self, request: Request) -> Listing:
        """Those that are selected."""
        options = parse_list_options(request.query)
        scope = scope_of(request.resource, "", options.label_selector, options.field_selector)
        found: list[Stored] = [made_up(_status(name, look()), 0) for name, look in self._looks.items()]
        selected = [
            stored
            for stored in found
            if scope.name in ("", stored.facts.name) and (scope.matches is None or scope.matches(stored))
        ]
        return Listing(selected, "", "", None)


def _absent() -> str:
    return ABSENT


def _status(name: str, wrong: str) -> Json:
    condition = {"type": "Healthy", "status": "False" if wrong else "True", "message": wrong or "ok"}
    return {
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "conditions": [condition],
    }
