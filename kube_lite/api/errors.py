"""Failures a client is told about: one class per ``metav1.StatusReason``.

Anything else that escapes the pipeline is our bug and is answered with 500 ``InternalError``.
Source: ``apimachinery/pkg/apis/meta/v1/types.go`` (StatusReason) and ``api/errors/errors.go`` for the texts.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .identity import GroupResource, Json


class Cause(NamedTuple):
    """One thing that is wrong, and where: an entry of ``details.causes``.

    ``reason`` is a ``CauseType`` such as ``FieldValueRequired``; ``message`` is the text without the path;
    ``field`` is a path such as ``spec.containers[0].name``.
    """

    reason: str
    message: str
    field: str = ""


class ApiError(Exception):
    """A request that failed in a way its sender should be told about."""

    code: int = 500
    reason: str = ""

    def __init__(self, message: str, *, details: Json | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after = retry_after
        self.warnings: tuple[str, ...] = ()

    def status(self) -> Json:
        """The ``metav1.Status`` body, complete with kind and apiVersion."""
        status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        details = dict(self.details or {})
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        if details or self.details is not None:  # some answers carry details that are empty
            status["details"] = details
        status["code"] = self.code
        return status


def telling(warnings: Iterable[str]) -> "Telling":
    """Let a failure of the block carry the texts that its answer warns of."""
    return Telling(warnings)


class Telling:
    """The block; a class, because every write has one and a generator costs more."""

    __slots__ = ("_warnings",)

    def __init__(self, warnings: Iterable[str]) -> None:
        self._warnings = warnings

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Add the texts."""
        if isinstance(error, ApiError):
            error.warnings = (*self._warnings, *error.warnings)


class BadRequest(ApiError):
    """The request itself makes no sense."""

    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    """Nobody knows who asks."""

    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    """The one who asks may not, or admission refused."""

    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    """There is no such object or resource."""

    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    """The resource exists but does not know the verb."""

    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    """No form that the client accepts can be served."""

    code, reason = 406, "NotAcceptable"


class Conflict(ApiError):
    """The object is not what the writer thought it was."""

    code, reason = 409, "Conflict"


class AlreadyExists(ApiError):
    """The name is taken."""

    code, reason = 409, "AlreadyExists"


class Gone(ApiError):
    """A requested thing is no longer there and will not come back."""

    code, reason = 410, "Gone"


class Expired(ApiError):
    """A resourceVersion or continue token is older than what is kept."""

    code, reason = 410, "Expired"


class RequestEntityTooLarge(ApiError):
    """The body is larger than the server takes."""

    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    """The body is in a form that is not understood."""

    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    """The object was understood, and breaks rules; ``details.causes`` lists all of them."""

    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    """Come back later; ``retry_after`` says when, in seconds."""

    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    """Something broke that is not the client's fault."""

    code, reason = 500, "InternalError"


class ConversionFailed(ApiError):
    """An object cannot be had in the version that is asked for. As upstream, the answer gives no reason."""


class ServiceUnavailable(ApiError):
    """A part that is needed for the answer is not there now."""

    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    """The server could not answer in time; asking again may help."""

    code, reason = 504, "Timeout"


REASONS: dict[str, type[ApiError]] = {
    kind.reason: kind
    for kind in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, Conflict,
        AlreadyExists, Gone, Expired, RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests,
        InternalError, ServiceUnavailable, Timeout,
    )
}  # fmt: skip


def details_of(resource: GroupResource, name: str = "", causes: Sequence[Cause] = (), kind: str = "") -> Json:
    """``Status.details``; ``kind`` is the plural resource, or the Kind for validation errors."""
    details: Json = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    if kind or resource.resource:
        details["kind"] = kind or resource.resource
    if causes:
        details["causes"] = [
            {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
        ]
    return details


def not_found(resource: GroupResource, name: str) -> NotFound:
    """``pods "web" not found``."""
    return NotFound(f'{resource} "{name}" not found', details=details_of(resource, name))


def already_exists(resource: GroupResource, name: str) -> AlreadyExists:
    """``pods "web" already exists``."""
    return AlreadyExists(f'{resource} "{name}" already exists', details=details_of(resource, name))


def conflict(resource: GroupResource, name: str, why: str) -> Conflict:
    """``Operation cannot be fulfilled on pods "web": <why>``."""
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return Conflict(message, details=details_of(resource, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def forbidden(resource: GroupResource, name: str, why: str) -> Forbidden:
    """``pods "web" is forbidden: <why>``; without a name ``pods is forbidden: <why>``."""
    subject = f'{resource} "{name}"' if name else f"{resource}"
    return Forbidden(f"{subject} is forbidden: {why}", details=details_of(resource, name))


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> Invalid:
    """``Deployment.apps "web" is invalid: spec.replicas: Invalid value: …``, with every cause.

    Several causes are printed as ``[a, b]``, as Go's ``field.ErrorList`` aggregate does (duplicates once).
    """
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    told = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    subject = f"{kind}.{group}" if group else kind
    return Invalid(
        f'{subject} "{name}" is invalid: {told}',
        details=details_of(GroupResource(group, ""), name, causes, kind=kind),
    )


def from_status(status: Json) -> ApiError:
    """The error that a ``metav1.Status`` tells of; of an unknown ``reason`` it is ``ApiError``."""
    kind = REASONS.get(status.get("reason", ""), ApiError)
    details = status.get("details")
    retry_after = (details or {}).get("retryAfterSeconds")
    error = kind(status.get("message", ""), details=details, retry_after=retry_after)
    return error
