"""What a regular expression finds.

Source: ``k8s.io/apiserver/pkg/cel/library/regex.go``.
"""

from itertools import islice
from typing import Any

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import method
from kube_lite.api.regex import BadPattern, compile


def _compiled(pattern: str) -> Any:
    try:
        return compile(pattern)
    except BadPattern as error:
        raise EvaluationError(f"Illegal regex: {error}") from error


def _find(text: str, pattern: str) -> str:
    found = _compiled(pattern).search(text)
    return found[0] if found else ""


def _find_all(text: str, pattern: str, count: int = -1) -> list[str]:
    found = _compiled(pattern).finditer(text)
    return [match[0] for match in (found if count < 0 else islice(found, count))]


OVERLOADS = (
    method("find", "string_find_string", "string, string -> string", _find),
    method("findAll", "string_find_all_string", "string, string -> list(string)", _find_all),
    method("findAll", "string_find_all_string_int", "string, string, int -> list(string)", _find_all),
)
