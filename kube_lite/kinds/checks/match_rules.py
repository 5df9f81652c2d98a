"""Which requests a webhook or an admission policy is about, and the parameters of a policy.

Source: ``kubernetes/pkg/apis/admissionregistration/validation/validation.go``.
"""

from collections.abc import Iterator, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, forbidden, invalid, not_supported, one_of, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label_1035, check_path_segment, check_subdomain

from .selectors import check_label_selector

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")


def check_match_rules(rules: Sequence[Json], path: str) -> Iterator[Cause]:
    """The ``rules`` of a webhook, or the ``resourceRules`` of a policy."""
    for position, rule in enumerate(rules):
        here = f"{path}[{position}]"
        names: set[str] = set()
        for place, name in enumerate(rule.get("resourceNames") or ()):
            yield from each(f"{here}.resourceNames[{place}]", name, check_path_segment(name))
            if name in names:
                yield duplicate(f"{here}.resourceNames[{place}]", name)
            names.add(name)
        yield from _check_rule(rule, here)


def _check_rule(rule: Json, path: str) -> Iterator[Cause]:
    operations = rule.get("operations") or ()
    yield from _check_words(operations, f"{path}.operations", "operations")
    for place, operation in enumerate(operations):
        yield from one_of(f"{path}.operations[{place}]", operation, OPERATIONS)
    yield from _check_words(rule.get("apiGroups") or (), f"{path}.apiGroups", "API groups")
    versions = rule.get("apiVersions") or ()
    yield from _check_words(versions, f"{path}.apiVersions", "API versions")
    for place, version in enumerate(versions):
        if not version:
            yield required(f"{path}.apiVersions[{place}]")
    yield from _check_resources(rule.get("resources") or (), f"{path}.resources")
    if rule.get("scope") is not None:
        yield from one_of(f"{path}.scope", rule["scope"], SCOPES)


def _check_words(words: Sequence[str], path: str, what: str) -> Iterator[Cause]:
    if not words:
        yield required(path)
    if len(words) > 1 and "*" in words:
        yield invalid(path, list(words), f"if '*' is present, must not specify other {what}")


def _check_resources(resources: Sequence[str], path: str) -> Iterator[Cause]:
    """``pods``, ``pods/status``, ``pods/*``, ``*/scale``, ``*`` or ``*/*``."""
    if not resources:
        yield required(path)
    yield from _check_covered(resources, path)
    if len(resources) > 1 and "*/*" in resources:
        yield invalid(path, list(resources), "if '*/*' is present, must not specify other resources")
    plain = [name for name in resources if name and "/" not in name]
    if "*" in plain and plain[-1] != "*":  # the last one decides there
        why = "if '*' is present, must not specify other resources without subresources"
        yield invalid(path, list(resources), why)


def _check_covered(resources: Sequence[str], path: str) -> Iterator[Cause]:
    """Subresources that another one before them stands for."""
    whole: set[str] = set()
    everywhere: set[str] = set()
    for place, name in enumerate(resources):
        here = f"{path}[{place}]"
        if not name:
            yield required(here)
        resource, slash, subresource = name.partition("/")
        if not slash:
            continue
        if resource in whole:
            yield invalid(here, name, f"if '{resource}/*' is present, must not specify {name}")
        if subresource in everywhere:
            yield invalid(here, name, f"if '*/{subresource}' is present, must not specify {name}")
        if subresource == "*":
            whole.add(resource)
        if resource == "*":
            everywhere.add(subresource)


def check_match_resources(match: Json, path: str) -> Iterator[Cause]:
    """The ``matchConstraints`` of a policy, or what a binding narrows them to."""
    if match.get("matchPolicy") is not None:
        yield from one_of(f"{path}.matchPolicy", match["matchPolicy"], ("Equivalent", "Exact"))
    for field in ("namespaceSelector", "objectSelector"):
        yield from check_label_selector(match.get(field), f"{path}.{field}")
    for field in ("resourceRules", "excludeResourceRules"):
        yield from check_match_rules(match.get(field) or (), f"{path}.{field}")


def check_param_kind(kind: Json, path: str) -> Iterator[Cause]:
    """Of which kind the parameters of a policy are."""
    version = kind.get("apiVersion") or ""
    if not version:
        yield required(f"{path}.apiVersion")
    else:
        yield from _check_api_version(version, f"{path}.apiVersion")
    name = kind.get("kind") or ""
    if not name:
        yield required(f"{path}.kind")
    elif wrong := check_label_1035(name.lower()):
        yield invalid(
            f"{path}.kind", name, f"may have mixed case, but should otherwise match: {','.join(wrong)}"
        )


def _check_api_version(text: str, path: str) -> Iterator[Cause]:
    if text.count("/") > 1:
        yield invalid(path, text, f"unexpected GroupVersion string: {text}")
        return
    group, _, version = text.rpartition("/")
    if group and (wrong := check_subdomain(group)):
        yield invalid(path, group, ",".join(wrong))
    if not version:
        yield invalid(path, text, "version must be specified")
    elif wrong := check_label_1035(version):
        yield invalid(path, version, ",".join(wrong))


def check_param_reference(reference: Json, path: str) -> Iterator[Cause]:
    """The parameters of a binding: one by name, or all that a selector finds."""
    name, selector = reference.get("name") or "", reference.get("selector")
    both = "name and selector are mutually exclusive"
    if name:
        yield from each(f"{path}.name", name, check_path_segment(name))
        if selector is not None:
            yield forbidden(f"{path}.name", both)
    if selector is not None:
        yield from check_label_selector(selector, f"{path}.selector")
        if name:
            yield forbidden(f"{path}.selector", both)
    if not name and selector is None:
        yield required(path, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction") or ""
    if not action:
        yield required(f"{path}.parameterNotFoundAction")
    elif action not in ("Deny", "Allow"):
        yield not_supported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"))
