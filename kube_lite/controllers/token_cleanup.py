"""Tokens without end that nobody has used for a year are made invalid, and after another year deleted.

Only those that were made by the cluster itself, which their account lists, and that no Pod mounts. Nothing is
done before uses have been noted for as long, see ``token_tracking``. All are looked at once a day.
Source: ``pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go``.
"""

from collections.abc import Iterable
from enum import Enum

from kube_lite.api import meta
from kube_lite.api.errors import Conflict, NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.legacy_tokens import INVALID_SINCE, LAST_USED, SECONDS_OF_DAY, day_of, start_of
from kube_lite.api.references import SECRETS as SECRETS_RESOURCE
from kube_lite.api.references import references_of
from kube_lite.api.times import parse_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, PatchType
from kube_lite.kit.clock import Clock

from .resources import CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS
from .token_secrets import ACCOUNT_NAME, ACCOUNT_UID, TYPE
from .token_tracking import CONFIG, SINCE

KEEP_SECONDS = 365 * SECONDS_OF_DAY  # upstream's --legacy-service-account-token-clean-up-period
LOOK_SECONDS = SECONDS_OF_DAY
ALL = ObjectKey("", "")


class Fate(Enum):
    """What becomes of a token."""

    KEEP = "keep"
    INVALIDATE = "invalidate"
    DELETE = "delete"


def plan_token(secret: Json, account: Json | None, *, is_mounted: bool, now: float) -> Fate:
    """What should become of a Secret that holds a token, when uses have been noted for long enough.

    Args:
        account: the one that it is of, if that is there.
    """
    oldest = now - KEEP_SECONDS
    labels = meta.labels_of(secret)
    if parse_time(secret["metadata"]["creationTimestamp"]) >= oldest or meta.is_being_deleted(secret):
        return Fate.KEEP
    used = labels.get(LAST_USED)
    if used is not None and (start_of(used) is None or used >= day_of(oldest)):
        return Fate.KEEP
    if is_mounted or account is None or not _lists(account, secret):
        return Fate.KEEP
    since = labels.get(INVALID_SINCE) or ""
    if start_of(since) is None:
        return Fate.INVALIDATE
    return Fate.KEEP if since >= day_of(oldest) else Fate.DELETE


def is_tracked_long_enough(config: Json, now: float) -> bool:
    """Whether a Secret without a label says that its token was not used for long."""
    since = start_of((config.get("data") or {}).get(SINCE) or "")
    return since is not None and now >= since + SECONDS_OF_DAY + KEEP_SECONDS


class TokenCleanup(Controller):
    """Has old tokens go. There is one key, for all."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("legacy-token-cleanup", clock, workers=1)
        self._client = client
        self._accounts = informers.informer(SERVICE_ACCOUNTS)
        self._secrets = informers.informer(SECRETS, field_selector=f"type={TYPE}")
        self._pods = informers.informer(PODS)
        for informer in (self._accounts, self._secrets, self._pods):
            self.needs(informer)
        self.queue.add(ALL)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Look at every token."""
        try:
            config = await self._client.get(CONFIG_MAPS, CONFIG.name, namespace=CONFIG.namespace)
        except NotFound:
            return RequeueAfter(LOOK_SECONDS)
        if is_tracked_long_enough(config, self.clock.now()):
            mounted = _mounted(self._pods.list())
            for secret in self._secrets.list():
                await self._judge(secret, mounted)
        return RequeueAfter(LOOK_SECONDS)

    async def _judge(self, secret: Json, mounted: set[ObjectKey]) -> None:
        name, namespace = secret["metadata"]["name"], secret["metadata"]["namespace"]
        is_mounted, now = ObjectKey(namespace, name) in mounted, self.clock.now()
        fate = plan_token(secret, self._account_of(secret), is_mounted=is_mounted, now=now)
        try:
            if fate is Fate.INVALIDATE:
                labels = {INVALID_SINCE: day_of(now)}
                patch = {"metadata": {"uid": meta.uid_of(secret), "labels": labels}}
                await self._client.patch(
                    SECRETS, name, patch, namespace=namespace, patch_type=PatchType.MERGE
                )
            elif fate is Fate.DELETE:
                version = secret["metadata"]["resourceVersion"]
                await self._client.delete(SECRETS, name, namespace=namespace, resource_version=version)
        except (Conflict, NotFound):  # it has changed just now, and is looked at tomorrow
            return

    def _account_of(self, secret: Json) -> Json | None:
        annotations = meta.annotations_of(secret)
        name, uid = annotations.get(ACCOUNT_NAME, ""), annotations.get(ACCOUNT_UID, "")
        account = self._accounts.get(ObjectKey(secret["metadata"]["namespace"], name))
        return account if account is not None and uid in ("", meta.uid_of(account)) else None


def _lists(account: Json, secret: Json) -> bool:
    listed = account.get("secrets") or ()
    return any(entry.get("name") == secret["metadata"]["name"] for entry in listed)


def _mounted(pods: Iterable[Json]) -> set[ObjectKey]:
    """The Secrets that Pods use."""
    return {
        ObjectKey(pod["metadata"]["namespace"], name)
        for pod in pods
        for resource, name in references_of(pod)
        if resource == SECRETS_RESOURCE
    }
