"""Pod security by the labels of namespaces: refuse Pods, or warn of them.

The labels ``pod-security.kubernetes.io/enforce``, ``warn`` and ``audit`` name a level, ``…-version`` the
release whose rules are meant. Only Pods are refused; whoever writes an object with a template of Pods is
warned, and whoever makes a namespace stricter hears of the Pods in it that would be refused. Nothing is
audited, but the labels are checked.

Source: k8s.io/pod-security-admission/admission and api.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import Cause
from kube_lite.api.errors import invalid as invalid_object
from kube_lite.api.fielderrors import invalid
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.pod_security import LATEST, LEVELS, PRIVILEGED, RESTRICTED, Finding, find
from kube_lite.kit.patterns import pattern

from .chain import CREATE, PODS, UPDATE, Attempt, Rule

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
NAMESPACES = GroupResource("", "namespaces")
TEMPLATES = frozenset({
    GroupResource("", "podtemplates"), GroupResource("", "replicationcontrollers"),
    GroupResource("apps", "daemonsets"), GroupResource("apps", "deployments"),
    GroupResource("apps", "replicasets"), GroupResource("apps", "statefulsets"),
    GroupResource("batch", "cronjobs"), GroupResource("batch", "jobs"),
})  # fmt: skip
PART_OF_POD = ("", "ephemeralcontainers", "resize")
MAX_PODS = 3000  # of a namespace that are looked at when it becomes stricter; upstream's figure
VERSION = pattern(r"v1\.(0|[1-9][0-9]*)")


class Standard(NamedTuple):
    """A level, and the minor release whose rules are meant."""

    level: str = PRIVILEGED
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"


class Policy(NamedTuple):
    """What a namespace asks for, and what is wrong with how it does."""

    enforce: Standard
    warn: Standard
    causes: tuple[Cause, ...] = ()


def policy_of(labels: Mapping[str, str]) -> Policy:
    """The policy that the labels of a namespace say."""
    causes: list[Cause] = []
    found: dict[str, Standard] = {}
    for mode in MODES:
        level, minor = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        standard = Standard()
        if level is not None:
            if level not in LEVELS:
                why = f"must be one of {', '.join(LEVELS)}"
                causes.append(invalid(f"metadata.labels[{PREFIX}{mode}]", level, why))
                level = RESTRICTED if mode == "enforce" else PRIVILEGED  # what is misspelt refuses too much
            standard = standard._replace(level=level)
        if minor is not None:
            match = VERSION.fullmatch(minor)
            if match is None and minor != "latest":
                why = 'must be "latest" or "v1.x"'
                causes.append(invalid(f"metadata.labels[{PREFIX}{mode}-version]", minor, why))
            standard = standard._replace(minor=int(match[1]) if match else LATEST)
        found[mode] = standard
    enforce, warn = found["enforce"], found["warn"]
    if PREFIX + "warn" not in labels and LEVELS.index(enforce.level) > LEVELS.index(warn.level):
        warn = enforce if f"{PREFIX}warn-version" not in labels else warn._replace(level=enforce.level)
    return Policy(enforce, warn, tuple(causes))


class PodSecurity(Rule):
    """Looks at Pods, templates of Pods, and the labels of namespaces."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Creations and changes of those."""
        if operation not in (CREATE, UPDATE):
            return False
        if resource == PODS:
            return subresource in PART_OF_POD
        return not subresource and (resource == NAMESPACES or resource in TEMPLATES)

    async def validate(self, attempt: Attempt) -> None:
        """Refuse, warn, or let pass."""
        resource = attempt.resource.group_resource
        if resource == NAMESPACES:
            self._judge_namespace(attempt)
            return
        namespace = attempt.objects.peek(NAMESPACES, ObjectKey("", attempt.namespace))
        labels = meta.labels_of(namespace) if namespace is not None else {}
        if not any(label.startswith(PREFIX) for label in labels):
            return
        policy = policy_of(labels)
        if resource == PODS:
            self._judge_pod(attempt, policy)
            return
        for template in meta.pod_templates(attempt.obj):
            self._warn(attempt, policy, template.get("metadata") or {}, template.get("spec") or {})

    def _judge_pod(self, attempt: Attempt, policy: Policy) -> None:
        metadata, spec = attempt.obj["metadata"], attempt.obj["spec"]
        if attempt.old is not None and not _matters(spec, attempt.old["spec"]):
            return
        findings = find(*policy.enforce, metadata, spec)
        if findings:
            raise attempt.refuse(f'violates PodSecurity "{policy.enforce}": {_details(findings)}')
        self._warn(attempt, policy, metadata, spec)

    def _warn(self, attempt: Attempt, policy: Policy, metadata: Json, spec: Json) -> None:
        findings = find(*policy.warn, metadata, spec)
        if findings:
            attempt.warnings.append(f'would violate PodSecurity "{policy.warn}": {_details(findings)}')

    def _judge_namespace(self, attempt: Attempt) -> None:
        policy = policy_of(meta.labels_of(attempt.obj))
        before = policy_of(meta.labels_of(attempt.old)) if attempt.old is not None else None
        if policy.causes and (before is None or policy.causes != before.causes):
            raise invalid_object("", "Namespace", attempt.obj["metadata"].get("name", ""), policy.causes)
        if before is None or not _is_stricter(policy.enforce, before.enforce):
            return
        attempt.warnings.extend(self._find_in(attempt, policy.enforce))

    def _find_in(self, attempt: Attempt, standard: Standard) -> list[str]:
        """What the Pods of a namespace would be refused for now."""
        every = attempt.objects.all(PODS, attempt.name)
        named: dict[str, list[str]] = {}
        pods = _controllers_first(every)[:MAX_PODS]
        for pod in pods:
            findings = find(*standard, pod["metadata"], pod["spec"])
            if findings:
                reasons = ", ".join(found.reason for found in findings)
                named.setdefault(reasons, []).append(pod["metadata"]["name"])
        told = []
        if len(pods) < len(every):
            words = (
                f"new PodSecurity enforce level only checked against the first {len(pods)} of {len(every)}"
            )
            told.append(f"{words} existing pods")
        if named:
            words = f'existing pods in namespace "{attempt.name}" violate the new PodSecurity enforce level'
            told.append(f'{words} "{standard}"')
        return told + sorted(f"{_some(names)}: {reasons}" for reasons, names in named.items())


def _matters(new: Json, old: Json) -> bool:
    """Whether a change of a Pod is more than may be done to any Pod: other images, other containers."""

    def images(spec: Json, field: str) -> list[tuple[str, str]]:
        return [(one["name"], one.get("image", "")) for one in spec.get(field) or ()]

    if any(images(new, field) != images(old, field) for field in ("containers", "initContainers")):
        return True
    return bool(set(images(new, "ephemeralContainers")) - set(images(old, "ephemeralContainers")))


def _is_stricter(new: Standard, old: Standard) -> bool:
    if new == old or new.level == PRIVILEGED:
        return False
    return new.minor != old.minor or LEVELS.index(new.level) > LEVELS.index(old.level)


def _details(findings: Sequence[Finding]) -> str:
    return ", ".join(map(str, findings))


def _some(names: Sequence[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"


def _controllers_first(pods: Sequence[Json]) -> list[Json]:
    """One Pod of each owner before the others, which are most likely like it."""
    seen: set[str] = set()
    first, rest = [], []
    for pod in pods:
        owner = meta.controller_of(pod)
        if owner is not None and owner["uid"] in seen:
            rest.append(pod)
            continue
        if owner is not None:
            seen.add(owner["uid"])
        first.append(pod)
    return first + rest
