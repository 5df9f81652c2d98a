"""Secrets of type ``kubernetes.io/service-account-token``: filled in for the account they are annotated with.

Whoever makes such a Secret gets a token without end, the authority to trust and the namespace put into it.
The Secret goes with its account, and an account that lists the Secret forgets it when that goes.
Source: ``pkg/controller/serviceaccount/tokens_controller.go``.
"""

import base64
from collections.abc import Awaitable, Callable, Iterable

from kube_lite.api import meta
from kube_lite.api.errors import Conflict, NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .resources import SECRETS, SERVICE_ACCOUNTS

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"

Issue = Callable[[Json, str], Awaitable[str]]
"""An account and the name of the Secret that will hold it → the token."""


def plan_contents(secret: Json, ca_pem: str) -> dict[str, str]:
    """What has to be written into a Secret, in plain text; the token, where it lacks one, is ``""`` here."""
    data = secret.get("data") or {}
    missing = {}
    if data.get("ca.crt") != _encoded(ca_pem):
        missing["ca.crt"] = ca_pem
    if not data.get("namespace"):
        missing["namespace"] = secret["metadata"]["namespace"]
    if not data.get("token"):
        missing["token"] = ""
    return missing


class TokenSecrets(Controller):
    """Keeps the Secrets that hold tokens. Keys are those of Secrets.

    Args:
        ca_pem: whom holders of the token should trust when they talk to the API.
        issue: signs the token.
    """

    def __init__(self, client: Client, informers: Informers, clock: Clock, ca_pem: str, issue: Issue) -> None:
        super().__init__("token-secrets", clock)
        self._client = client
        self._ca_pem = ca_pem
        self._issue = issue
        self._account_of: dict[ObjectKey, ObjectKey] = {}
        """Whose Secrets those were that have gone, until it is seen to that these no longer list them."""
        self._accounts = informers.informer(SERVICE_ACCOUNTS)
        self._secrets = informers.informer(SECRETS, field_selector=f"type={TYPE}")
        self._secrets.add_index("account", lambda secret: [str(_account(secret))])
        self.watch(self._secrets, self._secret_changed)
        self.watch(self._accounts, self._account_changed)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Fill a Secret, delete it, or have it forgotten."""
        secret = self._secrets.get(key)
        if secret is None:
            await self._forget(key)
            return None
        self._account_of.pop(key, None)
        account = await self._find(secret)
        if account is None:
            await self._delete(secret)
        else:
            await self._fill(secret, account)
        return None

    async def _find(self, secret: Json) -> Json | None:
        """The account of a Secret; asked for anew before it is believed to have gone."""
        key, uid = _account(secret), meta.annotations_of(secret).get(ACCOUNT_UID)
        account = self._accounts.get(key)
        if account is None or (uid and meta.uid_of(account) != uid):
            try:
                account = await self._client.get(SERVICE_ACCOUNTS, key.name, namespace=key.namespace)
            except NotFound:
                return None
        return account if not uid or meta.uid_of(account) == uid else None

    async def _fill(self, secret: Json, account: Json) -> None:
        missing = plan_contents(secret, self._ca_pem)
        if not missing:
            return
        name, namespace = secret["metadata"]["name"], secret["metadata"]["namespace"]
        if "token" in missing:
            missing["token"] = await self._issue(account, name)
        filled = meta.copy(secret)
        filled["data"] = (filled.get("data") or {}) | {
            field: _encoded(text) for field, text in missing.items()
        }
        filled["metadata"]["annotations"] |= {
            ACCOUNT_NAME: account["metadata"]["name"],
            ACCOUNT_UID: meta.uid_of(account),
        }
        await self._client.update(SECRETS, filled, namespace=namespace)

    async def _delete(self, secret: Json) -> None:
        name, namespace = secret["metadata"]["name"], secret["metadata"]["namespace"]
        try:
            await self._client.delete(SECRETS, name, namespace=namespace, uid=meta.uid_of(secret))
        except (Conflict, NotFound):  # another one under this name is told of by its own event
            return

    async def _forget(self, key: ObjectKey) -> None:
        """Take a Secret that has gone off the list of its account."""
        owner = self._account_of.get(key)
        account = None if owner is None else self._accounts.get(owner)
        if account is not None:
            listed = account.get("secrets") or []
            kept = [entry for entry in listed if entry.get("name") != key.name]
            if kept != listed:
                await self._client.update(
                    SERVICE_ACCOUNTS, {**account, "secrets": kept}, namespace=key.namespace
                )
        self._account_of.pop(key, None)

    def _secret_changed(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        if new is not None:
            yield key_of(new)
        elif old is not None:
            self._account_of[key_of(old)] = _account(old)
            yield key_of(old)

    def _account_changed(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        account = new or old
        if account is not None:
            yield from (key_of(secret) for secret in self._secrets.by_index("account", str(key_of(account))))


def _account(secret: Json) -> ObjectKey:
    metadata = secret["metadata"]
    return ObjectKey(metadata["namespace"], meta.annotations_of(secret).get(ACCOUNT_NAME, ""))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
