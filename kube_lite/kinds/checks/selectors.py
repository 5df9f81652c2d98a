"""Rules for label selectors and node selectors in objects: ``apimachinery/pkg/apis/meta/v1/validation``."""

from collections.abc import Iterator

from kube_lite.api.errors import ApiError, Cause
from kube_lite.api.fielderrors import Shown, each, forbidden, invalid, required
from kube_lite.api.gotext import go_json
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_labels
from kube_lite.api.names import check_label_value, check_qualified_name, check_subdomain
from kube_lite.api.selectors import LabelSelector, label_selector

FIELD_OPERATORS = ("In", "NotIn")


def check_label_selector(selector: Json | None, path: str) -> Iterator[Cause]:
    """A ``metav1.LabelSelector``; None is fine here."""
    if not selector:
        return
    yield from check_labels(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for position, expression in enumerate(selector.get("matchExpressions") or ()):
        yield from _check_expression(expression, f"{path}.matchExpressions[{position}]")


def _check_expression(expression: Json, path: str) -> Iterator[Cause]:
    operator, values = expression.get("operator") or "", expression.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(
                f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    key = expression.get("key") or ""
    yield from each(f"{path}.key", key, check_qualified_name(key))
    for position, value in enumerate(values):
        yield from each(f"{path}.values[{position}]", value, check_label_value(value))


def as_selector(selector: Json | None) -> LabelSelector | None:
    """The selector, or None where it makes no sense."""
    if any(check_label_selector(selector, "")):
        return None
    try:
        return label_selector(selector)
    except ApiError:
        return None


def show_selector(selector: Json) -> Shown:
    """A selector with its fields in the order of the struct."""
    parts = []
    if selector.get("matchLabels"):
        parts.append(f'"matchLabels":{go_json(selector["matchLabels"])}')
    if selector.get("matchExpressions"):
        parts.append(f'"matchExpressions":{go_json(selector["matchExpressions"])}')
    return Shown("{" + ",".join(parts) + "}")


def check_node_selector(selector: Json, path: str) -> Iterator[Cause]:
    """Terms of a required node affinity."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for position, term in enumerate(terms):
        yield from check_node_term(term, f"{path}.nodeSelectorTerms[{position}]")


def check_node_term(term: Json, path: str, *, any_value: bool = False) -> Iterator[Cause]:
    """Expressions on labels and fields of nodes.

    Args:
        any_value: also such that no label can have.
    """
    for position, expression in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{position}]"
        yield from _check_node_expression(expression, here)
        for place, value in enumerate(() if any_value else expression.get("values") or ()):
            yield from each(f"{here}.values[{place}]", value, check_label_value(value))
    for position, expression in enumerate(term.get("matchFields") or ()):
        yield from _check_node_field(expression, f"{path}.matchFields[{position}]")


def _check_node_field(expression: Json, path: str) -> Iterator[Cause]:
    operator, values = expression.get("operator") or "", expression.get("values") or ()
    if operator not in FIELD_OPERATORS:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", why)
    key = expression.get("key") or ""
    if key != "metadata.name":
        yield invalid(f"{path}.key", key, "not a valid field selector key")
        return
    for place, value in enumerate(values):
        yield from each(f"{path}.values[{place}]", value, check_subdomain(value))


def _check_node_expression(expression: Json, path: str) -> Iterator[Cause]:
    operator, values = expression.get("operator") or "", expression.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(
                f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield required(f"{path}.values", why)
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    key = expression.get("key") or ""
    yield from each(f"{path}.key", key, check_qualified_name(key))
