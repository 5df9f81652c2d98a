"""The functions of expressions: those of the language, and those Kubernetes adds.

Source: cel-go ``common/stdlib/standard.go``, ``ext/``; ``k8s.io/apiserver/pkg/cel/environment/base.go`` for
which of them a release has.
"""

from functools import cache

from kube_lite.api.cel.functions import Functions, table


@cache
def standard() -> Functions:
    """Everything an expression may call; made when the first one is compiled."""
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

    return table(
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
