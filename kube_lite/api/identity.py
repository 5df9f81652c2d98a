"""How things in the API are named."""

from typing import Any, NamedTuple

Json = dict[str, Any]
"""A wire object: a plain dict, never mutated after it was read from the store or an informer."""


class GroupVersion(NamedTuple):
    """``apps/v1``; the core group is the empty string."""

    group: str
    version: str

    def __str__(self) -> str:
        """The ``apiVersion`` text: ``v1`` or ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version


class GroupVersionKind(NamedTuple):
    """What an object says it is: ``apps/v1, Kind=Deployment``."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        """As Go's apimachinery prints it in error texts."""
        return f"{self.api_version}, Kind={self.kind}"

    @property
    def api_version(self) -> str:
        """The text of the ``apiVersion`` field."""
        return f"{self.group}/{self.version}" if self.group else self.version


class GroupResource(NamedTuple):
    """What error messages name: ``deployments.apps``, ``pods``."""

    group: str
    resource: str

    def __str__(self) -> str:
        """``resource.group``, without the dot for the core group."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


class GroupVersionResource(NamedTuple):
    """Where requests go: ``/apis/apps/v1/deployments``."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        """The text of the ``apiVersion`` field of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> GroupResource:
        """The name without a version."""
        return GroupResource(self.group, self.resource)


class ObjectKey(NamedTuple):
    """Which object of a resource; ``namespace`` is empty for cluster-scoped ones."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """``namespace/name``, or the name alone."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: Json) -> ObjectKey:
    """The key of an object that has metadata."""
    metadata = obj["metadata"]
    return ObjectKey(metadata.get("namespace", ""), metadata["name"])


def parse_api_version(text: str) -> GroupVersion:
    """``apps/v1`` → ``("apps", "v1")``, ``v1`` → ``("", "v1")``."""
    group, slash, version = text.rpartition("/")
    return GroupVersion(group if slash else "", version)
