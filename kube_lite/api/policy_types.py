"""What the types of objects have against the expressions of a policy: told in its status, never enforced.

When a policy is put to work ``object`` may be anything. Here it is of each kind in turn that the policy names
(without wildcards, at most ten), and ``params`` of theirs, so that a misspelled field shows.

Source: ``apiserver/pkg/admission/plugin/policy/validating/typechecking.go``.
"""

from collections.abc import Callable, Iterator
from itertools import islice, product

from .cel.declared import Declared
from .cel.schemas import declare_whole
from .identity import GroupVersionKind, GroupVersionResource, Json, parse_api_version
from .policies import PolicyCompiler, PolicyError
from .schema.load import Schema

MAX_KINDS = 10

SchemaOf = Callable[[GroupVersionKind], Schema | None]
"""What objects of a kind look like; None where nobody knows."""
KindOf = Callable[[GroupVersionResource], GroupVersionKind | None]
"""The kind of a resource's objects; None where there is no such resource."""


def type_warnings(policy: Json, kind_of: KindOf, schema_of: SchemaOf) -> list[Json]:
    """The ``expressionWarnings`` of a ValidatingAdmissionPolicy."""
    spec = policy["spec"]
    kinds = [(kind, _declared(kind, schema_of)) for kind in kinds_of(spec, kind_of)]
    warnings = []
    for index, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            text = validation.get(field) or ""
            found = [_wrong(spec, text, kind, declared, schema_of) for kind, declared in kinds if declared]
            told = "\n".join(each for each in found if each)
            if text and told:
                warnings.append({"fieldRef": f"spec.validations[{index}].{field}", "warning": told})
    return warnings


def kinds_of(spec: Json, kind_of: KindOf) -> list[GroupVersionKind]:
    """Which kinds a policy names, in order; none that it only means by a wildcard."""
    constraints = spec.get("matchConstraints") or {}
    found: set[GroupVersionKind] = set()
    for rule in constraints.get("resourceRules") or ():
        found.update(islice(_named(rule, kind_of), MAX_KINDS))
        if len(found) >= MAX_KINDS:
            break
    return sorted(found)


def _named(rule: Json, kind_of: KindOf) -> Iterator[GroupVersionKind]:
    groups, versions = sorted(rule.get("apiGroups") or ()), sorted(rule.get("apiVersions") or ())
    if any("*" in name for name in (*groups, *versions)):
        return
    resources = sorted(name for name in rule.get("resources") or () if not set("*/") & set(name))
    for group, version, resource in product(groups, versions, resources):
        kind = kind_of(GroupVersionResource(group, version, resource))
        if kind is not None:
            yield kind


def _declared(kind: GroupVersionKind, schema_of: SchemaOf) -> Declared | None:
    schema = schema_of(kind)
    return None if schema is None else declare_whole(schema, kind.kind)


def _wrong(spec: Json, text: str, kind: GroupVersionKind, declared: Declared, schema_of: SchemaOf) -> str:
    """What is wrong with an expression about objects of one kind; empty if nothing is."""
    param_kind = spec.get("paramKind") or {}
    types = {"object": declared.type, "oldObject": declared.type}
    known = [declared.objects()]
    if param_kind:
        wanted = GroupVersionKind(*parse_api_version(param_kind["apiVersion"]), param_kind["kind"])
        params = _declared(wanted, schema_of)
        if params is not None:
            types["params"] = params.type
            known.append(params.objects())
    compiler = PolicyCompiler(has_params=bool(param_kind), has_variables=True, types=types, structs=known)
    for variable in spec.get("variables") or ():
        try:
            compiler.add_variable(variable["name"], variable["expression"])
        except PolicyError:  # which whoever uses it is told of in their own words
            continue
    try:
        compiler.check(text)
    except PolicyError as error:
        group_version = f"{kind.group}/{kind.version}"
        return f"{group_version}, Kind={kind.kind}: {error}\n"
    return ""
