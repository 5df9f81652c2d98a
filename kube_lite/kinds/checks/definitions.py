"""Rules for CustomResourceDefinitions: names, versions, what each version offers, conversion, and changes.

The reference checks its internal form, in which what all versions have in common stands at the top:
``spec.validation``, ``spec.subresources`` and so on. Refusals name those places, so ``_Spec`` lifts it there
as well. Schemas have files of their own.

Source: ``apiextensions-apiserver/pkg/apis/apiextensions/{validation/validation.go,v1/conversion.go}``.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kube_lite.api.custom.fieldpaths import BadPath, place_of
from kube_lite.api.custom.structure import has, has_default, has_extensions, unsupported
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    duplicate,
    immutable,
    invalid,
    not_supported,
    required,
    too_many,
)
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label_1035, check_subdomain
from kube_lite.kinds.approval import approval_of, is_protected
from kube_lite.kinds.outlines import APPROVAL

from .definition_conversion import REVIEW_VERSIONS, check_conversion
from .definition_schemas import (
    Demands,
    check_schema,
    demands_after,
    unknown_formats,
)
from .go_schema import go_versions
from .webhook_clients import check_bundle

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
SELECTABLE_TYPES = ("string", "boolean", "integer")
SELECTABLE_MAX = 8  # fields of one version
WARNING_MAX = 256  # bytes
NOT_YET = "(cannot set default values in apiextensions.k8s.io/v1beta1 CRDs, must use apiextensions.k8s.io/v1)"
APPROVAL_PATH = f"metadata.annotations[{APPROVAL}]"
SHARED = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
"""What is lifted to the top where all versions agree in it."""


class _Demands(NamedTuple):
    """What is asked of a definition; see ``definition_schemas.Demands``."""

    schema: Demands = Demands()
    has_schema: bool = True
    review_version: bool = True
    good_bundle: bool = False
    crowded: frozenset[str] = frozenset()
    """Versions that had too many selectable fields before; empty for what all versions share."""


class _Spec(NamedTuple):
    """A spec in the reference's internal form."""

    whole: Json
    top: Json
    """What all versions share, by the names of ``SHARED``; None for what they do not share."""
    versions: list[Json]

    @property
    def preserves(self) -> bool:
        return bool(self.whole.get("preserveUnknownFields"))

    @property
    def schemas(self) -> list[Json]:
        """Every schema."""
        found = (_document(part.get("schema")) for part in (self.top, *self.versions))
        return [document for document in found if document is not None]


def _internal(spec: Json) -> _Spec:
    versions = [dict(version) for version in spec.get("versions") or ()]
    top: Json = dict.fromkeys(SHARED)
    for name in SHARED if versions else ():
        first = versions[0].get(name) or None
        if all((version.get(name) or None) == first for version in versions):
            top[name] = first if versions[0].get(name) is not None else None
            for version in versions:
                version.pop(name, None)
    return _Spec(spec, top, versions)


def _document(schema: Json | None) -> Json | None:
    return schema.get("openAPIV3Schema") if schema else None


def check_definition(definition: Json) -> Iterator[Cause]:
    """A new definition, its metadata apart but for the name."""
    yield from _check_new(definition, _Demands())
    yield from _check_status(definition)
    yield from _check_approval(definition, None)
    yield from _check_preserving(definition, None)


def check_older_definition(definition: Json) -> Iterator[Cause]:
    """The same by way of ``v1beta1``, which did without schemas, and kept what they do not mention."""
    schema = Demands(types=False, structure=False, no_default=NOT_YET)
    yield from _check_new(definition, _Demands(schema=schema, has_schema=False))
    yield from _check_status(definition)


def _check_new(definition: Json, demands: _Demands) -> Iterator[Cause]:
    spec = definition.get("spec") or {}
    names = spec.get("names") or {}
    name = definition["metadata"].get("name") or ""
    if name and name != f"{names.get('plural', '')}.{spec.get('group', '')}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _check_spec(_internal(spec), demands)


def check_definition_update(definition: Json, old: Json) -> Iterator[Cause]:
    """The next version of a definition: everything but metadata; what was wrong before may stay so."""
    spec, before = definition.get("spec") or {}, old.get("spec") or {}
    internal, was = _internal(spec), _internal(before)
    established = any(
        condition["type"] == "Established" and condition["status"] == "True"
        for condition in (old.get("status") or {}).get("conditions") or ()
    )
    wrong = list(_check_spec(internal, _Demands(good_bundle=established)))
    if wrong:  # only then does it matter what was wrong before
        wrong = list(_check_spec(internal, _demands(internal, was, established=established)))
    yield from wrong
    names, earlier = spec.get("names") or {}, before.get("names") or {}
    if established:
        yield from immutable("spec.scope", spec.get("scope", ""), before.get("scope", ""))
        yield from immutable("spec.names.kind", names.get("kind", ""), earlier.get("kind", ""))
    yield from immutable("spec.group", spec.get("group", ""), before.get("group", ""))
    yield from immutable("spec.names.plural", names.get("plural", ""), earlier.get("plural", ""))
    yield from _check_status(definition)
    yield from _check_approval(definition, old)
    yield from _check_preserving(definition, old)


def advise_definition(definition: Json) -> Iterator[str]:
    """Warnings about a definition: formats that nobody will hold texts to."""
    spec = _internal(definition.get("spec") or {})
    formats = dict.fromkeys(name for document in spec.schemas for name in unknown_formats(document))
    yield from (f"unrecognized format {go_quote(name)}" for name in formats)


def check_definition_status(definition: Json, old: Json) -> Iterator[Cause]:
    """A status that is written through its subresource."""
    yield from _check_names(
        (definition.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames"
    )


def _demands(new: _Spec, old: _Spec, *, established: bool) -> _Demands:
    conversion = old.whole.get("conversion") or {}
    webhook = conversion.get("webhook") or {}
    reviewed = webhook.get("conversionReviewVersions") or ()
    bundle = (webhook.get("clientConfig") or {}).get("caBundle")
    return _Demands(
        schema=demands_after(old.schemas),
        has_schema=_document(old.top["schema"]) is not None
        or all(_document(version.get("schema")) is not None for version in old.versions),
        review_version=not reviewed or not set(reviewed).isdisjoint(REVIEW_VERSIONS),
        good_bundle=established and not (bundle and any(check_bundle("", bundle))),
        crowded=frozenset(_crowded(new, old)),
    )


def _crowded(new: _Spec, old: _Spec) -> Iterator[str]:
    before = {version["name"]: version.get("selectableFields") for version in old.versions}
    now = {version["name"]: version.get("selectableFields") for version in new.versions}
    for name, fields in {"": old.top["selectableFields"], **before}.items():
        same = new.top["selectableFields"] if name == "" else now.get(name)
        if len(fields or ()) > SELECTABLE_MAX and fields == same:
            yield name


def _check_status(definition: Json) -> Iterator[Cause]:
    status, spec = definition.get("status") or {}, definition.get("spec") or {}
    yield from _check_names(status.get("acceptedNames") or {}, "status.acceptedNames")
    yield from _check_stored(status.get("storedVersions") or [], spec.get("versions") or [])


def _check_preserving(definition: Json, old: Json | None) -> Iterator[Cause]:
    spec, before = definition.get("spec") or {}, (old or {}).get("spec") or {}
    if spec.get("preserveUnknownFields") and not before.get("preserveUnknownFields"):
        why = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield invalid("spec.preserveUnknownFields", True, f"cannot set to true, {why}")


def _check_stored(stored: list[str], versions: list[Json]) -> Iterator[Cause]:
    path = "status.storedVersions"
    if not stored:
        yield invalid(path, None, "must have at least one stored version")
        return
    for version in versions:
        if version.get("storage") and version.get("name") not in stored:
            yield invalid(path, stored, f"must have the storage version {version.get('name')}")
    names = {version.get("name") for version in versions}
    for position, name in enumerate(stored):
        if name not in names and name not in stored[position + 1 :]:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and "
                f"removes {name} from status.storedVersions"
            )
            yield invalid(f"{path}[{position}]", name, why)


def _check_approval(definition: Json, old: Json | None) -> Iterator[Cause]:
    if not is_protected((definition.get("spec") or {}).get("group") or ""):
        return
    state, why = approval_of(definition)
    if old is not None and approval_of(old).state == state:
        return
    if state == "Missing":
        yield required(APPROVAL_PATH, why)
    elif state == "Invalid":
        yield invalid(APPROVAL_PATH, definition["metadata"]["annotations"][APPROVAL], why)


def _check_spec(spec: _Spec, demands: _Demands) -> Iterator[Cause]:
    whole, top = spec.whole, spec.top
    yield from _check_group(whole.get("group") or "")
    scope = whole.get("scope") or ""
    if not scope:
        yield required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    yield from _check_schemas(spec, demands)
    if spec.preserves and any(has(document, has_default) for document in spec.schemas):
        why = "must be false in order to use defaults in the schema"
        yield invalid("spec.preserveUnknownFields", True, why)
    if not spec.preserves or any(has(one, has_default) or has(one, has_extensions) for one in spec.schemas):
        demands = demands._replace(schema=demands.schema._replace(structure=True))
    for position, version in enumerate(spec.versions):
        path = f"spec.versions[{position}]"
        wrong = ",".join(check_label_1035(version.get("name") or ""))
        if wrong:
            yield invalid(f"{path}.name", version.get("name") or "", wrong)
        yield from _check_warning(version, f"{path}.deprecationWarning")
        subresources = version.get("subresources") or top["subresources"]
        yield from _check_offer(version, path, f"{path}.schema", _has_status(subresources), demands)
    yield from _check_versions(spec)
    yield from _check_names_given(whole.get("names") or {})
    has_status = any(_has_status(part.get("subresources")) for part in (top, *spec.versions))
    yield from _check_offer(top, "spec", "spec.validation", has_status, demands)
    yield from check_conversion(
        whole.get("conversion") or {},
        preserves=spec.preserves,
        any_version=not demands.review_version,
        any_bundle=not demands.good_bundle,
    )


def _check_group(group: str) -> Iterator[Cause]:
    wrong = ",".join(check_subdomain(group))
    if not group:
        yield required("spec.group")
    elif wrong:
        yield invalid("spec.group", group, wrong)
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")


def _check_schemas(spec: _Spec, demands: _Demands) -> Iterator[Cause]:
    """Every version has a schema."""
    if _document(spec.top["schema"]) is not None or (not demands.has_schema and spec.preserves):
        return
    for position, version in enumerate(spec.versions):
        if _document(version.get("schema")) is None and (demands.has_schema or version.get("served")):
            why = "" if demands.has_schema else "because otherwise all fields are pruned"
            yield required(f"spec.versions[{position}].schema.openAPIV3Schema", why)


def _check_versions(spec: _Spec) -> Iterator[Cause]:
    names = [version.get("name") or "" for version in spec.versions]
    if len(set(names)) < len(names):
        yield invalid("spec.versions", go_versions(spec.versions), "must contain unique version names")
    if sum(bool(version.get("storage")) for version in spec.versions) != 1:
        why = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", go_versions(spec.versions), why)
    if names and names[0]:
        wrong = ",".join(check_label_1035(names[0]))
        if wrong:
            yield invalid("spec.version", names[0], wrong)


def _check_warning(version: Json, path: str) -> Iterator[Cause]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        yield invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > WARNING_MAX:
        yield invalid(path, text, f"must be <= {WARNING_MAX} characters long")
    if not text:
        yield invalid(path, text, "must not be an empty string")
    place = next((place for place, letter in enumerate(text) if not letter.isprintable()), None)
    if place is not None:
        at = len(text[:place].encode())
        why = f"must only contain printable UTF-8 characters; non-printable character found at index {at}"
        yield invalid(path, text, why)


def _has_status(subresources: Json | None) -> bool:
    return subresources is not None and subresources.get("status") is not None


def _check_offer(
    part: Json, path: str, schema_path: str, has_status: bool, demands: _Demands
) -> Iterator[Cause]:
    """What a version offers, or all versions do: schema, subresources, columns, selectable fields."""
    document = _document(part.get("schema"))
    if document is not None:
        here = f"{schema_path}.openAPIV3Schema"
        yield from check_schema(document, here, demands.schema, has_status=has_status)
    yield from _check_scale((part.get("subresources") or {}).get("scale"), f"{path}.subresources.scale")
    for position, column in enumerate(part.get("additionalPrinterColumns") or ()):
        yield from _check_column(column, f"{path}.additionalPrinterColumns[{position}]")
    fields = part.get("selectableFields")
    if fields:
        here = f"{path}.selectableFields"
        yield from _check_selectable(
            fields, document, here, is_crowded=part.get("name", "") in demands.crowded
        )


def _check_scale(scale: Json | None, path: str) -> Iterator[Cause]:
    if scale is None:
        return
    for name, begins in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        given, here = scale.get(name) or "", f"{path}.{name}"
        if not given:
            yield required(here)
        else:
            yield from _check_json_path(given, here, begins)
    selector = scale.get("labelSelectorPath")
    if selector:
        yield from _check_json_path(selector, f"{path}.labelSelectorPath", (".spec.", ".status."))


def _check_json_path(given: str, path: str, begins: tuple[str, ...]) -> Iterator[Cause]:
    if not given.startswith("."):
        yield invalid(path, given, "must be a simple json path starting with .")
    elif not given.startswith(begins):
        where = begins[0].rstrip(".") if len(begins) == 1 else "either .spec or .status"
        yield invalid(path, given, f"should be a json path under {where}")


def _check_column(column: Json, path: str) -> Iterator[Cause]:
    kind, form, given = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    if not column.get("name"):
        yield required(f"{path}.name")
    types = f"must be one of {','.join(COLUMN_TYPES)}"
    if not kind:
        yield required(f"{path}.type", types)
    elif kind not in COLUMN_TYPES:
        yield invalid(f"{path}.type", kind, types)
    if form and form not in COLUMN_FORMATS:
        yield invalid(f"{path}.format", form, f"must be one of {','.join(COLUMN_FORMATS)}")
    if not given:
        yield required(f"{path}.JSONPath")
    elif not given.startswith("."):
        yield invalid(f"{path}.JSONPath", given, "must be a simple json path starting with .")


def _check_selectable(
    fields: list[Json], document: Json | None, path: str, *, is_crowded: bool
) -> Iterator[Cause]:
    if document is None:
        words = "validations.schema is included"
        if path != "spec.selectableFields":
            words = "`version.schema.openAPIV3Schema` is not included"
        yield invalid(path, "", f"may only be set when {words}")
        return
    why = unsupported(document)
    if why:
        yield invalid(f"{path.removesuffix('selectableFields')}schema.openAPIV3Schema", "", why)
        return
    seen: set[str] = set()
    for position, field in enumerate(fields):
        yield from _check_field(field.get("jsonPath") or "", document, f"{path}[{position}].jsonPath", seen)
    if len(seen) > SELECTABLE_MAX and not is_crowded:
        yield too_many(path, len(seen), SELECTABLE_MAX)


def _check_field(given: str, document: Json, path: str, seen: set[str]) -> Iterator[Cause]:
    if not given:
        yield required(path)
        return
    try:
        place = place_of(given, document, brackets=False)
    except BadPath as error:
        yield invalid(path, given, f"is an invalid path: {error}")
        return
    if place.first == "metadata":
        yield invalid(path, given, "must not point to fields in metadata")
    if (place.document or {}).get("type") not in SELECTABLE_TYPES:
        why = "Enum string fields and strings with formats are allowed."
        yield invalid(path, given, f"must point to a field of type string, boolean or integer. {why}")
    if place.path in seen:
        yield duplicate(path, given)
    seen.add(place.path)


def _check_names_given(names: Json) -> Iterator[Cause]:
    for name in ("plural", "singular", "kind", "listKind"):
        if not names.get(name):
            yield required(f"spec.names.{name}")
    yield from _check_names(names, "spec.names")


def _check_names(names: Json, path: str) -> Iterator[Cause]:
    for name in ("plural", "singular"):
        yield from _check_label(names.get(name) or "", f"{path}.{name}")
    for name in ("kind", "listKind"):
        given = names.get(name) or ""
        wrong = ",".join(check_label_1035(given.lower())) if given else ""
        if wrong:
            why = f"may have mixed case, but should otherwise match: {wrong}"
            yield invalid(f"{path}.{name}", given, why)
    yield from _check_labels(names.get("shortNames") or (), f"{path}.shortNames")
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield invalid(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same")
    yield from _check_labels(names.get("categories") or (), f"{path}.categories")


def _check_label(given: str, path: str) -> Iterator[Cause]:
    wrong = ",".join(check_label_1035(given)) if given else ""
    if wrong:
        yield invalid(path, given, wrong)


def _check_labels(given: Iterable[str], path: str) -> Iterator[Cause]:
    for position, name in enumerate(given):
        wrong = ",".join(check_label_1035(name))
        if wrong:
            yield invalid(f"{path}[{position}]", name, wrong)
