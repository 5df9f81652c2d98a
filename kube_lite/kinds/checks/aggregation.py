"""Rules for APIServices.

Source: ``pkg/apis/apiregistration/validation`` of kube-aggregator.
"""

from base64 import b64decode
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import each, invalid, one_of, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label_1035, check_path_segment, check_subdomain

from .values import BAD_PORT, is_port

GROUP_PRIORITY_MAX = 20_000
VERSION_PRIORITY_MAX = 1000


def check_api_service(service: Json) -> Iterator[Cause]:
    """Its name says what it is about; it is served here, or by a Service."""
    spec, name = service.get("spec") or {}, service["metadata"].get("name") or ""
    group, version = spec.get("group") or "", spec.get("version") or ""
    wanted = f"{version}.{group}"
    if name and name != wanted and not check_path_segment(name):
        yield invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"')
    if not group and version != "v1":
        yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    if group:
        yield from each("spec.group", group, check_subdomain(group))
    yield from each("spec.version", version, check_label_1035(version))
    for field, most in (
        ("groupPriorityMinimum", GROUP_PRIORITY_MAX),
        ("versionPriority", VERSION_PRIORITY_MAX),
    ):
        priority = spec.get(field) or 0
        if not 0 < priority <= most:
            yield invalid(f"spec.{field}", priority, f"must be positive and less than {most}")
    yield from _check_server(spec)


def _check_server(spec: Json) -> Iterator[Cause]:
    reference, is_insecure = spec.get("service"), bool(spec.get("insecureSkipTLSVerify"))
    bundle = spec.get("caBundle") or ""
    if reference is None:
        if bundle:
            size = f"{len(b64decode(bundle))} bytes"
            yield invalid("spec.caBundle", size, "local APIServices may not have a caBundle")
        if is_insecure:
            why = "local APIServices may not have insecureSkipTLSVerify"
            yield invalid("spec.insecureSkipTLSVerify", True, why)
        return
    for field in ("namespace", "name"):
        if not reference.get(field):
            yield required(f"spec.service.{field}")
    port = reference.get("port") or 0
    if not is_port(port):
        yield invalid("spec.service.port", port, f"port is not valid: {BAD_PORT}")
    if is_insecure and bundle:
        yield invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")


def check_status(service: Json, old: Json) -> Iterator[Cause]:
    """Conditions are true, false or unknown."""
    for position, entry in enumerate((service.get("status") or {}).get("conditions") or ()):
        path = f"status.conditions[{position}].status"
        yield from one_of(path, entry.get("status") or "", ("True", "False", "Unknown"))
