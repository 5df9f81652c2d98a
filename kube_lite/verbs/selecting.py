"""Label and field selectors of a request → which objects of a resource are meant."""

from kube_lite.api.errors import BadRequest
from kube_lite.api.resource import Resource
from kube_lite.api.selectors import (
    EQUALS,
    EXISTS,
    IN,
    FieldSelector,
    LabelSelector,
    parse_field_selector,
    parse_label_selector,
)
from kube_lite.registry.listing import Matcher, Scope
from kube_lite.registry.stored import Stored, part_of_header

NAME, NAMESPACE = "metadata.name", "metadata.namespace"


def scope_of(resource: Resource, namespace: str, label_selector: str, field_selector: str) -> Scope:
    """What a list, watch or deletecollection is about.

    Raises:
        BadRequest: a selector cannot be read, or names a field that the kind does not know.
    """
    labels = parse_label_selector(label_selector) if label_selector else None
    fields = parse_field_selector(field_selector) if field_selector else None
    if labels is not None and labels.is_everything:
        labels = None
    if fields is not None:
        check_fields(resource, fields)
        fields = _as_stored(resource, fields)
        if fields.is_everything:
            fields = None
    name = (fields.exact(NAME) or "") if fields is not None else ""
    return Scope(resource, namespace, name, matcher(labels, fields), hint_of(labels, fields))


def check_fields(resource: Resource, selector: FieldSelector) -> None:
    """Refuse fields that cannot be selected by. Raises ``BadRequest``."""
    known = resource.strategy.field_labels()
    for field, _, _ in selector.requirements:
        if field == NAME or field in known:
            continue
        # kinds without namespaces that have fields of their own know no others
        if field == NAMESPACE and (resource.namespaced or resource.definition or not known):
            continue
        raise BadRequest(resource.strategy.field_label_error(field))


def _as_stored(resource: Resource, selector: FieldSelector) -> FieldSelector:
    """The selector by the labels under which fields are stored."""
    aliases = resource.strategy.field_aliases()
    if not aliases:
        return selector
    return FieldSelector(
        requirement._replace(field=aliases.get(requirement.field, requirement.field))
        for requirement in selector.requirements
    )


def hint_of(labels: LabelSelector | None, fields: FieldSelector | None) -> bytes:
    """A part of the header of each object that is selected; empty where nothing can be said."""
    for key, operator, values in () if labels is None else labels.requirements:
        if operator in (EQUALS, IN):
            return part_of_header(key, values[0] if len(values) == 1 else None)
        if operator == EXISTS:
            return part_of_header(key)
    for field, operator, value in () if fields is None else fields.requirements:
        if operator == EQUALS and value and field not in (NAME, NAMESPACE):
            return part_of_header(field, value)
    return b""


def matcher(labels: LabelSelector | None, fields: FieldSelector | None) -> Matcher | None:
    """A test of stored objects by their headers; None where everything passes."""
    if fields is None:
        if labels is None:
            return None
        selects_labels = labels.matches
        return lambda stored: selects_labels(stored.facts.labels)
    selects_fields = fields.matches
    if labels is None:
        return lambda stored: selects_fields(stored.selectable)

    def both(stored: Stored) -> bool:
        return selects_fields(stored.selectable) and labels.matches(stored.facts.labels)

    return both
