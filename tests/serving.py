"""A whole API without a socket, for tests of what is behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from kube_lite_storage import Store

from kube_lite import kinds
from kube_lite.admission.plugins import default_chain
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.cluster.policy import plan_policy
from kube_lite.kinds import schemas
from kube_lite.kit.clock import Clock, ManualClock
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

ADMIN = User("admin", groups=(MASTERS, AUTHENTICATED))
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
PODS = GroupVersionResource("", "v1", "pods")
SERVICES = GroupVersionResource("", "v1", "services")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")

OPEN = {"system:public-info-viewer", "system:discovery", "system:basic-user"}


async def open_to_all(pipeline: Pipeline) -> None:
    """Grant everybody what they have from the start: health, discovery, questions about themselves."""
    policy = plan_policy("1.36")
    await pipeline.found("test", [entry for entry in policy if entry[1]["metadata"]["name"] in OPEN])


class Api:
    """A pipeline on a store of its own, with the namespace ``default`` and its account."""

    def __init__(self, store: Store, pipeline: Pipeline, clock: Clock, tokens: TokenIssuer) -> None:
        self.store = store
        self.pipeline = pipeline
        self.clock = clock
        self.tokens = tokens
        self.client = self.client_of(ADMIN)

    def client_of(self, user: User) -> LocalClient:
        """A client of somebody."""
        return LocalClient(self.pipeline, user)


@asynccontextmanager
async def serving(directory: Path, clock: Clock | None = None, *, is_new: bool = True) -> AsyncIterator[Api]:
    """An API for the length of the block; its store is checked at the end.

    Args:
        is_new: the directory is empty; else another has left its store there.
    """
    clock = clock or ManualClock()
    tokens = TokenIssuer.open(directory / "accounts.key", clock)
    async with Store.open(directory / "store", durable=False) as store:
        pipeline = Pipeline(
            store=store,
            registry=kinds.builtin(),
            definitions=schemas.definitions().fork(),
            clock=clock,
            admission=default_chain(),
            tokens=tokens,
            source=Random(1),
        )
        api = Api(store, pipeline, clock, tokens)
        if is_new:
            await api.client.create(NAMESPACES, {"metadata": {"name": "default"}})
            await api.client.create(ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
        yield api
        assert store.check() == []


def config_map(name: str, **labels: str) -> Json:
    """A ConfigMap that says nothing much."""
    return {"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}}


def pod(name: str, **spec: object) -> Json:
    """A Pod of one container."""
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "app", "image": "i"}], **spec}}
