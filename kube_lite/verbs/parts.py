"""What the verbs work with; put together by the pipeline."""

import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kube_lite.admission.chain import Attempt, Chain
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.resource import Registry, Resource
from kube_lite.api.schema.load import OBJECT_META, Definitions, Schema
from kube_lite.auth.authorize import Authorizer
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.auth.user import User
from kube_lite.kit.clock import Clock
from kube_lite.registry.deleting import Deleting
from kube_lite.registry.objects import Objects
from kube_lite.registry.services import ServiceAddresses
from kube_lite.registry.watching import Watching


class Parts(NamedTuple):
    """Everything below the verbs."""

    objects: Objects
    watching: Watching
    deleting: Deleting
    registry: Registry
    definitions: Definitions
    clock: Clock
    authorizer: Authorizer
    admission: Chain
    addresses: ServiceAddresses
    tokens: TokenIssuer | None
    source: random.Random

    @property
    def metadata(self) -> Schema:
        """What the metadata of every object looks like."""
        return self.definitions.schema(OBJECT_META)

    def schema(self, resource: Resource) -> Schema | None:
        """What objects of the resource look like; None where nobody has said."""
        return self.definitions.schema(resource.schema) if resource.schema in self.definitions else None

    def attempt(
        self,
        operation: str,
        resource: Resource,
        key: ObjectKey,
        obj: Json,
        old: Json | None,
        user: User,
        *,
        subresource: str = "",
        dry_run: bool = False,
        options: Callable[[], Mapping[str, Any]] = dict,
    ) -> Attempt:
        """What admission is asked about."""
        return Attempt(
            operation,
            resource,
            subresource,
            key.namespace,
            key.name,
            obj,
            old,
            user,
            self.objects,
            self.source,
            self.registry,
            self.definitions,
            self.authorizer,
            dry_run,
            options,
        )

    def lookup(self, plural: str, key: ObjectKey) -> Json | None:
        """An object of the core group, shared, or None."""
        return self.objects.peek(GroupResource("", plural), key)
