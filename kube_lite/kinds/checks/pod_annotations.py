"""Rules for annotations that mean something in Pods, most of them older ways to say what has fields now."""

import json
import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid
from kube_lite.api.identity import Json

from .operating_systems import LISTS
from .placement import check_tolerations
from .values import check_descending_path

PATH = "metadata.annotations"
MIRROR = "kubernetes.io/config.mirror"
TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
RUNTIME, DOCKER, UNCONFINED, LOCALHOST = "runtime/default", "docker/default", "unconfined", "localhost/"
_COST = re.compile(r"0|-?[1-9][0-9]*")
COST_MIN, COST_MAX = -(2**31), 2**31 - 1


def check_pod_annotations(annotations: Json, spec: Json, path: str = PATH) -> Iterator[Cause]:
    """Annotations of a Pod, or of a template, which are in ``path``."""
    if MIRROR in annotations and not spec.get("nodeName"):
        why = "must set spec.nodeName if mirror pod annotation is set"
        yield invalid(f"{path}[{MIRROR}]", annotations[MIRROR], why)
    if annotations.get(TOLERATIONS):
        yield from _check_tolerations(annotations[TOLERATIONS], path)
    cost = annotations.get(DELETION_COST)
    if cost is not None and not (_COST.fullmatch(cost) and COST_MIN <= int(cost) <= COST_MAX):
        yield invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer")
    if SECCOMP_POD in annotations:
        yield from _check_seccomp(annotations[SECCOMP_POD], f"{path}.{SECCOMP_POD}")
    for key, profile in annotations.items():
        if key.startswith(SECCOMP_CONTAINER):
            yield from _check_seccomp(profile, f"{path}.{key}")
    for key, profile in annotations.items():
        if key.startswith(APP_ARMOR):
            yield from _check_app_armor(key.removeprefix(APP_ARMOR), profile, spec, f"{path}[{key}]")


def _check_tolerations(text: str, path: str) -> Iterator[Cause]:
    try:
        tolerations = json.loads(text)
    except ValueError:
        tolerations = None
    if isinstance(tolerations, list) and all(isinstance(entry, dict) for entry in tolerations):
        yield from check_tolerations(tolerations, f"{path}.{TOLERATIONS}")
    else:
        yield invalid(path, TOLERATIONS, "must be a list of tolerations in JSON")


def _check_seccomp(profile: str, path: str) -> Iterator[Cause]:
    if profile.startswith(LOCALHOST):
        yield from check_descending_path(path, profile.removeprefix(LOCALHOST))
    elif profile not in (RUNTIME, DOCKER, UNCONFINED):
        yield invalid(path, profile, "must be a valid seccomp profile")


def _check_app_armor(name: str, profile: str, spec: Json, path: str) -> Iterator[Cause]:
    if not any(container.get("name") == name for kind in LISTS for container in spec.get(kind) or ()):
        yield invalid(path, name, "container not found")
    if profile not in ("", RUNTIME, UNCONFINED) and not profile.startswith(LOCALHOST):
        yield invalid(path, profile, f'invalid AppArmor profile name: "{profile}"')


def check_profile_annotations(annotations: Json, spec: Json, path: str = "spec") -> Iterator[Cause]:
    """That annotations and fields of a new Pod, whose spec is in ``path``, say the same."""
    own = (spec.get("securityContext") or {}).get("seccompProfile")
    if own is not None and SECCOMP_POD in annotations:
        here = f"{path}.securityContext.seccompProfile"
        yield from _check_same(annotations[SECCOMP_POD], own, here, "seccomp")
    yield from _check_containers(annotations, spec, path, SECCOMP_CONTAINER)
    if (spec.get("os") or {}).get("name") != "windows":
        yield from _check_containers(annotations, spec, path, APP_ARMOR)


def _check_containers(annotations: Json, spec: Json, path: str, prefix: str) -> Iterator[Cause]:
    field, what = ("appArmorProfile", "apparmor") if prefix == APP_ARMOR else ("seccompProfile", "seccomp")
    default = (spec.get("securityContext") or {}).get(field) if prefix == APP_ARMOR else None
    for kind in LISTS:
        for position, container in enumerate(spec.get(kind) or ()):
            profile = (container.get("securityContext") or {}).get(field) or default
            text = annotations.get(f"{prefix}{container.get('name') or ''}")
            if profile is not None and text is not None:
                here = f"{path}.{kind}[{position}].securityContext.{field}"
                yield from _check_same(text, profile, here, what)


def _check_same(text: str, profile: Json, path: str, what: str) -> Iterator[Cause]:
    type_ = profile.get("type")
    runtime = (RUNTIME, DOCKER) if what == "seccomp" else (RUNTIME,)
    fits = {
        "Unconfined": text == UNCONFINED,
        "RuntimeDefault": text in runtime,
        "Localhost": text.startswith(LOCALHOST),
    }
    if not fits.get(type_ or "", True):
        yield forbidden(f"{path}.type", f"{what} type in annotation and field must match")
    elif type_ == "Localhost" and text.removeprefix(LOCALHOST) != profile.get("localhostProfile"):
        why = f"{what} profile in annotation and field must match"
        yield forbidden(f"{path}.localhostProfile", why)
