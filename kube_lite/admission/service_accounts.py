"""Every Pod runs as some ServiceAccount, and finds that account's token in a volume.

Source: ``plugin/pkg/admission/serviceaccount/admission.go``.
"""

import random
from collections.abc import Iterator
from itertools import cycle

from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.names import random_suffix

from .chain import CREATE, PODS, Attempt, Rule, all_containers

ACCOUNTS = GroupResource("", "serviceaccounts")
MIRROR = "kubernetes.io/config.mirror"
ENFORCE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
VOLUME_PREFIX = "kube-api-access-"
VOLUME_NAMES = 16  # few enough that Pods of a template are met again and again
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607  # an hour and a bit, so that tokens of an hour can be told from those asked for by hand
FILE_MODE = 0o644


class ServiceAccounts(Rule):
    """Gives Pods their account and its token.

    The volume's name need only be one that nothing else in the Pod has. So some are chosen once and taken in
    turn, and Pods of one template remain alike, of which what remembers specs by their content makes use.
    """

    def __init__(self) -> None:
        self._names: Iterator[str] = iter(())

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New Pods."""
        return operation == CREATE and resource == PODS and not subresource

    async def mutate(self, attempt: Attempt) -> None:
        """Name the account, and mount its token where nothing else is mounted there."""
        pod, spec = attempt.obj, attempt.obj.get("spec") or {}
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            _check_mirror(attempt, spec)
            return
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = attempt.objects.peek(ACCOUNTS, ObjectKey(attempt.namespace, name))
        if account is None:
            raise attempt.refuse(
                f"error looking up service account {attempt.namespace}/{name}: "
                f'serviceaccount "{name}" not found'
            )
        if (account["metadata"].get("annotations") or {}).get(ENFORCE_SECRETS) == "true":
            _check_secrets(attempt, spec, account)
        if wants_token(spec, account):
            mount_token(spec, self._next_name(attempt.source))
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(entry) for entry in account["imagePullSecrets"]]

    def _next_name(self, source: random.Random) -> str:
        name = next(self._names, "")
        if not name:
            self._names = cycle([VOLUME_PREFIX + random_suffix(source) for _ in range(VOLUME_NAMES)])
            name = next(self._names)
        return name


def wants_token(spec: Json, account: Json) -> bool:
    """Whether a Pod gets its account's token: the Pod decides, then the account, then yes."""
    for chooser in (spec, account):
        chosen = chooser.get("automountServiceAccountToken")
        if chosen is not None:
            return bool(chosen)
    return True


def mount_token(spec: Json, volume_name: str) -> None:
    """Add the token volume to a Pod spec, and a mount of it to each container that has none at its place."""
    volumes = spec.get("volumes") or []
    there = next((v["name"] for v in volumes if str(v.get("name", "")).startswith(VOLUME_PREFIX)), None)
    mount = {"name": there or volume_name, "readOnly": True, "mountPath": MOUNT_PATH}
    is_needed = False
    for container in all_containers(spec):
        mounts = container.get("volumeMounts") or []
        if any(entry.get("mountPath") == MOUNT_PATH for entry in mounts):
            continue
        container["volumeMounts"] = [*mounts, dict(mount)]
        is_needed = True
    if is_needed and there is None:
        spec["volumes"] = [*volumes, token_volume(volume_name)]


def token_volume(name: str) -> Json:
    """The account's token, the cluster's certificate and the namespace's name, as files."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources: list[Json] = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": FILE_MODE}}


def _check_mirror(attempt: Attempt, spec: Json) -> None:
    if spec.get("serviceAccountName"):
        raise attempt.refuse("a mirror pod may not reference service accounts")
    for volume in spec.get("volumes") or ():
        if "secret" in volume:
            raise attempt.refuse("a mirror pod may not reference secrets")
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                raise attempt.refuse("a mirror pod may not use ServiceAccountToken volume projections")


def _check_secrets(attempt: Attempt, spec: Json, account: Json) -> None:
    name = account["metadata"]["name"]
    allowed = {entry.get("name") for entry in account.get("secrets") or ()}
    for where, secret in _secrets_used(spec):
        if secret not in allowed:
            raise attempt.refuse(
                f"{where} is not allowed because service account {name} does not reference that secret"
            )
    pulls = {entry.get("name") for entry in account.get("imagePullSecrets") or ()}
    for position, entry in enumerate(spec.get("imagePullSecrets") or ()):
        if entry.get("name") not in pulls:
            raise attempt.refuse(
                f'imagePullSecrets[{position}].name="{entry.get("name")}" is not allowed because '
                "service account "
                f"{name} does not reference that imagePullSecret"
            )


def _secrets_used(spec: Json) -> Iterator[tuple[str, str]]:
    """How a Pod refers to each secret, in upstream's words, and its name."""
    for volume in spec.get("volumes") or ():
        if volume.get("secret"):
            secret = volume["secret"].get("secretName", "")
            yield f'volume with secret.secretName="{secret}"', secret
    for kind, key in (("init container", "initContainers"), ("container", "containers")):
        for container in spec.get(key) or ():
            for variable in container.get("env") or ():
                reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
                if reference:
                    secret = reference.get("name", "")
                    where = f"{kind} {container.get('name')} with envVar {variable.get('name')}"
                    yield f'{where} referencing secret.secretName="{secret}"', secret
