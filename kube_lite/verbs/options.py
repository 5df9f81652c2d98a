"""Query parameters → what they ask for, with a real server's words where they make no sense.

Source: ``apimachinery/pkg/apis/meta/v1/validation`` and ``meta/internalversion/validation``.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kube_lite.api.errors import ApiError, BadRequest, Cause, invalid
from kube_lite.registry.deleting import BACKGROUND, FOREGROUND, ORPHAN, DeleteOptions

META = "meta.k8s.io"
MANAGER_BYTES = 128
VALIDATIONS = ("", "Ignore", "Strict", "Warn")
EXACT, NOT_OLDER = "Exact", "NotOlderThan"
MATCH = "resourceVersionMatch"
Query = Mapping[str, str]
LONGEST_NUMBER = 40  # of digits that are worth reading


class Repeated(dict[str, str]):
    """Parameters of which some were given more than once: the first values, and those that come after."""

    def __init__(self, first: Query, more: dict[str, list[str]]) -> None:
        super().__init__(first)
        self.more = more


class WriteOptions(NamedTuple):
    """How something is to be written.

    ``validation`` is ``Ignore Warn Strict``; ``manager`` is who writes, ``force`` belongs to apply.
    """

    dry_run: bool = False
    validation: str = "Warn"
    manager: str = ""
    force: bool = False

    def told(self) -> dict[str, Any]:
        """As admission tells them to others, beside the dry run."""
        told = {"fieldManager": self.manager} if self.manager else {}
        return told if self.validation == "Warn" else {**told, "fieldValidation": self.validation}


@lru_cache(maxsize=256)
def _usual(user_agent: str) -> WriteOptions:
    """What somebody wants who says nothing."""
    return WriteOptions(manager=user_agent.partition("/")[0])


class ListOptions(NamedTuple):
    """What to list or watch. ``revision`` is None where none was given, 0 for "any"."""

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_token: str = ""
    revision: int | None = None
    match: str = ""
    initial_events: bool | None = None
    bookmarks: bool = False


def parse_write_options(
    kind: str, query: Query, *, user_agent: str = "", is_apply: bool = False
) -> WriteOptions:
    """Read the options of a create, update or patch.

    Args:
        kind: ``CreateOptions UpdateOptions PatchOptions``, as refusals name it.

    Raises:
        Invalid: they make no sense.
    """
    if not query and not is_apply:
        return _usual(user_agent)
    causes: list[Cause] = []
    manager, dry_run = query.get("fieldManager", ""), values_of(query, "dryRun")
    if "force" in query and not is_apply and kind == "PatchOptions":
        causes.append(_forbidden("force", "may not be specified for non-apply patch"))
    if is_apply and not manager:
        causes.append(
            Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
        )
    causes += _manager_causes(manager)
    causes += _dry_run_causes(dry_run)
    validation = query.get("fieldValidation", "")
    if validation not in VALIDATIONS:
        causes.append(_unsupported("fieldValidation", f'"{validation}"', VALIDATIONS))
    if causes:
        raise invalid(META, kind, "", causes)
    return WriteOptions(
        dry_run=bool(dry_run),
        validation=validation or "Warn",
        manager=manager or user_agent.partition("/")[0],
        force=parse_bool(query.get("force", "false")),
    )


def parse_list_options(query: Query, *, watch: bool = False) -> ListOptions:
    """Read the options of a list, watch or deletecollection.

    Raises:
        Invalid: they contradict each other.
        BadRequest: a number is none.
    """
    if not query:
        return ListOptions()
    initial = query.get("sendInitialEvents")
    causes = _watch_causes(query, initial) if watch else _list_causes(query, initial)
    parse_int(query.get("timeoutSeconds", "0"))
    limit = parse_int(query.get("limit", "0"))
    if causes:
        raise invalid(META, "ListOptions", "", causes)
    return ListOptions(
        label_selector=query.get("labelSelector", ""),
        field_selector=query.get("fieldSelector", ""),
        limit=max(limit, 0),
        continue_token=query.get("continue", ""),
        revision=parse_revision(query.get("resourceVersion", ""), watch=watch),
        match=query.get(MATCH, ""),
        initial_events=None if initial is None else parse_bool(initial),
        bookmarks=parse_bool(query.get("allowWatchBookmarks", "false")),
    )


def parse_revision(text: str, *, watch: bool) -> int | None:
    """A ``resourceVersion`` as a number; None where there is none.

    Raises:
        ApiError: it is no number; a list is answered with 400, everything else with 500, as upstream does.
    """
    if not text:
        return None
    wrong = "invalid syntax"
    if text.isascii() and text.isdigit():
        if len(text) <= LONGEST_NUMBER and int(text) < 2**64:
            return int(text)
        wrong = "value out of range"
    why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {wrong}'
    raise ApiError(why) if watch else BadRequest(f"invalid resource version: {why}")


def delete_options_from_query(query: Query) -> DeleteOptions:
    """Read the options of a delete without a body.

    Raises:
        BadRequest, Invalid: they make no sense.
    """
    if not query:
        return DeleteOptions()
    grace = query.get("gracePeriodSeconds")
    orphan = query.get("orphanDependents")
    return checked_delete_options(
        grace=None if grace is None else parse_int(grace),
        orphan=None if orphan is None else parse_bool(orphan),
        propagation=query.get("propagationPolicy"),
        dry_run=values_of(query, "dryRun"),
        uid=query.get("uid", ""),
        resource_version=query.get("resourceVersion", ""),
    )


def values_of(query: Query, name: str) -> list[str]:
    """All values of a parameter. Empty ones count."""
    if name not in query:
        return []
    return [query[name], *(query.more.get(name, ()) if isinstance(query, Repeated) else ())]


def checked_delete_options(
    *,
    grace: int | None,
    orphan: bool | None,
    propagation: str | None,
    dry_run: list[str],
    uid: str = "",
    resource_version: str = "",
) -> DeleteOptions:
    """Put delete options together. Raises ``Invalid`` where they contradict each other."""
    causes = []
    if orphan is not None and propagation:
        why = f'Invalid value: "{propagation}": orphanDependents and deletionPropagation cannot be both set'
        causes.append(Cause("FieldValueInvalid", why, "propagationPolicy"))
    if propagation is not None and propagation not in (FOREGROUND, BACKGROUND, ORPHAN):
        causes.append(
            _unsupported("propagationPolicy", f'"{propagation}"', (FOREGROUND, BACKGROUND, ORPHAN, "nil"))
        )
    causes += _dry_run_causes(dry_run)
    if causes:
        raise invalid(META, "DeleteOptions", "", causes)
    return DeleteOptions(grace, propagation or "", orphan, uid, resource_version, bool(dry_run))


def parse_int(text: str) -> int:
    """A number of 64 bits. Raises ``BadRequest``."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    number = int(text) if len(text) <= LONGEST_NUMBER else 2**63
    if not -(2**63) <= number < 2**63:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


def parse_bool(text: str) -> bool:
    """As upstream reads parameters: everything but ``false`` and ``0`` is true."""
    return text.lower() not in ("false", "0")


def _manager_causes(manager: str) -> list[Cause]:
    if len(manager.encode()) > MANAGER_BYTES:
        return [
            Cause(
                "FieldValueTooLong", f"Too long: may not be more than {MANAGER_BYTES} bytes", "fieldManager"
            )
        ]
    for position, letter in enumerate(manager):
        if not letter.isprintable():
            escaped = manager.encode("unicode_escape").decode()
            why = (
                f'Invalid value: "{escaped}": invalid character U+{ord(letter):04X} (at position {position})'
            )
            return [Cause("FieldValueInvalid", why, "fieldManager")]
    return []


def _dry_run_causes(values: list[str]) -> list[Cause]:
    if all(value == "All" for value in values):
        return []
    told = "[" + ",".join(f'"{value}"' for value in values) + "]"
    return [_unsupported("dryRun", told, ("All",))]


def _list_causes(query: Query, initial: str | None) -> list[Cause]:
    causes, match = [], query.get(MATCH, "")
    version = query.get("resourceVersion", "")
    if match:
        if not version:
            causes.append(
                _forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided")
            )
        if query.get("continue"):
            causes.append(_forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"))
        if match not in (EXACT, NOT_OLDER):
            causes.append(_unsupported(MATCH, f'"{match}"', (EXACT, NOT_OLDER, "")))
        if match == EXACT and version == "0":
            why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            causes.append(_forbidden(MATCH, why))
    if initial is not None:
        causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return causes


def _watch_causes(query: Query, initial: str | None) -> list[Cause]:
    causes, match = [], query.get(MATCH, "")
    if initial is not None and match != NOT_OLDER:
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes.append(_forbidden(MATCH, why))
    if initial is None and match:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(_forbidden(MATCH, why))
    if match and match != NOT_OLDER:
        causes.append(_unsupported(MATCH, f'"{match}"', (NOT_OLDER,)))
    if query.get("continue"):
        causes.append(_forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"))
    return causes


def _forbidden(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)


def _unsupported(field: str, value: str, supported: tuple[str, ...]) -> Cause:
    told = ", ".join(f'"{text}"' for text in supported)
    return Cause("FieldValueNotSupported", f"Unsupported value: {value}: supported values: {told}", field)
