"""The functions of expressions: those of the language, and those Kubernetes adds.

Source: cel-go ``common/stdlib/standard.go``, ``ext/``; ``k8s.io/apiserver/pkg/cel/environment/base.go`` for
which of them a release has.
"""

from collections.abc import Sequence
from functools import cache

from kube_lite.api.cel.functions import Functions, Overload, table


@cache
def standard() -> Functions:
    """Everything an expression may call; made when the first one is compiled."""
    return table(*_libraries())


@cache
def with_patches() -> Functions:
    """The same for expressions that come to a patch."""
    from . import patches

    return table(*_libraries(), patches.OVERLOADS)


def _libraries() -> tuple[Sequence[Overload], ...]:
    from . import (
        authorizer,
        conversions,
        formats,
        lists,
        networks,
        operators,
        optionals,
        quantities,
        regexes,
        sets,
        strings,
        times,
        urls,
        versions,
    )

    return (
        operators.OVERLOADS,
        conversions.OVERLOADS,
        times.OVERLOADS,
        optionals.OVERLOADS,
        strings.OVERLOADS,
        lists.OVERLOADS,
        sets.OVERLOADS,
        regexes.OVERLOADS,
        urls.OVERLOADS,
        networks.OVERLOADS,
        quantities.OVERLOADS,
        versions.OVERLOADS,
        formats.OVERLOADS,
        authorizer.OVERLOADS,
    )
