"""ResourceQuotas: nothing more is let in than they have room for.

Looked at last, when nothing else can refuse any more, because what is let in is noted as used at once
(``registry/quotas.py``). A quota that was not counted yet limits nothing.

Source: ``apiserver/pkg/admission/plugin/resourcequota``; ``pkg/quota/v1/evaluator/core``.
"""

from contextlib import suppress

from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupResource, Json, key_of
from kube_lite.api.quantity import Quantity, parse_quantity
from kube_lite.api.quota import CLAIMS, SERVICES, Usage, concerns, resource_of, usage_of
from kube_lite.kit.clock import Clock, RealClock
from kube_lite.registry.quotas import QUOTAS, note_use

from .chain import CREATE, PODS, UPDATE, Attempt, Rule

MUST_BE_SAID = frozenset({
    "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory",
})  # fmt: skip
"""What every container of a Pod must ask for where it is limited."""


class ResourceQuotas(Rule):
    """Refuses what goes beyond a quota."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or RealClock()

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Everything new, and changes of Services and claims, which may come to use more."""
        if subresource:
            return False
        return operation == CREATE or (operation == UPDATE and resource in (SERVICES, CLAIMS))

    async def validate(self, attempt: Attempt) -> None:
        """Hold it against every quota of its namespace that concerns it."""
        if not attempt.namespace:
            return
        resource = attempt.resource.home
        quotas = [
            quota
            for quota in attempt.objects.all(QUOTAS, attempt.namespace)
            if any(resource_of(name) == resource for name in _hard(quota))
            and concerns(quota, resource, attempt.obj)
        ]
        if not quotas:
            return
        for quota in quotas:
            self._check_said(attempt, quota)
        more = self._more(attempt, resource)
        for quota in quotas:
            plan_use(attempt, quota, more)
        if attempt.dry_run:
            return
        for quota in quotas:
            with suppress(NotFound):  # gone in the meantime
                await note_use(attempt.objects, key_of(quota), lambda now: plan_use(attempt, now, more))

    def _more(self, attempt: Attempt, resource: GroupResource) -> Usage:
        """What would be used beyond what is used now."""
        now = self._clock.now()
        usage = usage_of(resource, attempt.obj, now)
        before = usage_of(resource, attempt.old, now) if attempt.old is not None else {}
        nothing = Quantity.of(0)
        more = {name: amount - before.get(name, nothing) for name, amount in usage.items()}
        return {name: amount for name, amount in more.items() if amount > nothing}

    def _check_said(self, attempt: Attempt, quota: Json) -> None:
        if attempt.resource.group_resource != PODS:
            return
        spec = attempt.obj["spec"]
        missing: dict[str, list[str]] = {}
        for name in sorted(MUST_BE_SAID & set(_hard(quota))):
            kind, _, what = name.rpartition(".")
            for container in (*spec["containers"], *(spec.get("initContainers") or ())):
                asked = (container.get("resources") or {}).get(kind or "requests") or {}
                if what not in asked:
                    missing.setdefault(name, []).append(container["name"])
        if missing:
            told = "; ".join(f"{name} for: {','.join(names)}" for name, names in missing.items())
            raise attempt.refuse(f"failed quota: {quota['metadata']['name']}: must specify {told}")


def plan_use(attempt: Attempt, quota: Json, more: Usage) -> dict[str, str] | None:
    """What is used of a quota once this is let in; None when it is no more. Raises ``Forbidden``."""
    hard, used = _hard(quota), (quota.get("status") or {}).get("used") or {}
    asked = {name: amount for name, amount in more.items() if name in hard}
    if not asked:
        return None
    after = {name: parse_quantity(used.get(name, "0")) + amount for name, amount in asked.items()}
    beyond = sorted(name for name, amount in after.items() if amount > parse_quantity(hard[name]))
    if beyond:
        requested = ",".join(f"{name}={asked[name]}" for name in beyond)
        so_far = ",".join(f"{name}={used.get(name, '0')}" for name in beyond)
        limited = ",".join(f"{name}={hard[name]}" for name in beyond)
        words = f"exceeded quota: {quota['metadata']['name']}, requested: {requested}"
        raise attempt.refuse(f"{words}, used: {so_far}, limited: {limited}")
    return {**used, **{name: str(amount) for name, amount in after.items()}}


def _hard(quota: Json) -> dict[str, str]:
    """The limits that were counted against; none before the first count."""
    hard: dict[str, str] = (quota.get("status") or {}).get("hard") or {}
    return hard
