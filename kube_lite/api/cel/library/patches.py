"""What the expressions of patches may call besides.

Source: ``k8s.io/apiserver/pkg/cel/library/jsonpatch.go``.
"""

from kube_lite.api.cel.functions import function


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


OVERLOADS = (
    function("jsonpatch.escapeKey", "jsonpatch_escapeKey_string", "string -> string", _escape),
)  # fmt: skip
