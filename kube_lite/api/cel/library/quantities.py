"""Resource quantities: ``quantity('1Gi').isGreaterThan(quantity('500Mi'))``.

Source: ``k8s.io/apiserver/pkg/cel/library/quantity.go``.
"""

from typing import ClassVar

from kube_lite.api import quantity
from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import QUANTITY, function, method
from kube_lite.api.cel.types import Type
from kube_lite.api.cel.values import MAX_INT, MIN_INT, Opaque


class Amount(Opaque):
    """A quantity."""

    __slots__ = ()
    type: ClassVar[Type] = QUANTITY
    value: quantity.Quantity


def _parse(text: str) -> Amount:
    try:
        return Amount(quantity.parse_quantity(text))
    except ValueError as error:
        raise EvaluationError(str(error)) from error


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse_quantity(text)
    except ValueError:
        return False
    return True


def _is_integer(amount: Amount) -> bool:
    return amount.value.nanos % quantity.NANO == 0 and MIN_INT <= amount.value.value <= MAX_INT


def _as_integer(amount: Amount) -> int:
    if not _is_integer(amount):
        raise EvaluationError("cannot convert value to integer")
    return amount.value.value


def _sign(amount: Amount) -> int:
    return (amount.value.nanos > 0) - (amount.value.nanos < 0)


def _compare(left: Amount, right: Amount) -> int:
    return (left.value.nanos > right.value.nanos) - (left.value.nanos < right.value.nanos)


def _of(count: int) -> quantity.Quantity:
    return quantity.Quantity.of(count)


OVERLOADS = (
    function("quantity", "string_to_quantity", "string -> quantity", _parse),
    function("isQuantity", "is_quantity_string", "string -> bool", _is_quantity),
    function("sign", "quantity_sign", "quantity -> int", _sign),
    method(
        "isGreaterThan",
        "quantity_is_greater_than",
        "quantity, quantity -> bool",
        lambda left, right: left.value > right.value,
    ),
    method(
        "isLessThan",
        "quantity_is_less_than",
        "quantity, quantity -> bool",
        lambda left, right: left.value < right.value,
    ),
    method("compareTo", "quantity_compare_to", "quantity, quantity -> int", _compare),
    method(
        "asApproximateFloat",
        "quantity_get_float",
        "quantity -> double",
        lambda amount: amount.value.nanos / quantity.NANO,
    ),
    method("asInteger", "quantity_get_int", "quantity -> int", _as_integer),
    method("isInteger", "quantity_is_integer", "quantity -> bool", _is_integer),
    method(
        "add",
        "quantity_add",
        "quantity, quantity -> quantity",
        lambda left, right: Amount(left.value + right.value),
    ),
    method(
        "add",
        "quantity_add_int",
        "quantity, int -> quantity",
        lambda left, count: Amount(left.value + _of(count)),
    ),
    method(
        "sub",
        "quantity_sub",
        "quantity, quantity -> quantity",
        lambda left, right: Amount(left.value - right.value),
    ),
    method(
        "sub",
        "quantity_sub_int",
        "quantity, int -> quantity",
        lambda left, count: Amount(left.value - _of(count)),
    ),
)
