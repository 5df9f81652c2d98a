"""What the store raises, in the words of the API; the only place where one becomes the other."""

from kube_lite_storage.errors import (
    Compacted,
    CompareFailed,
    FutureRevision,
    KeyExists,
    KeyMissing,
    StoreClosed,
    StoreError,
    WatcherTooSlow,
)

from kube_lite.api.errors import (
    MODIFIED,
    ApiError,
    Expired,
    InternalError,
    ServiceUnavailable,
    Timeout,
    already_exists,
    conflict,
    not_found,
)
from kube_lite.api.identity import GroupResource

TOO_LARGE = "Too large resource version"


def as_api_error(error: StoreError, resource: GroupResource, name: str = "") -> ApiError:
    """The answer to a request on ``resource`` (and object ``name``) that the store could not serve.

    Raise it ``from error``, so that the cause is kept.
    """
    match error:
        case KeyExists():
            return already_exists(resource, name)
        case KeyMissing():
            return not_found(resource, name)
        case CompareFailed():
            return conflict(resource, name, MODIFIED)
        case Compacted():
            return Expired("The resourceVersion for the provided list is too old.")
        case FutureRevision():
            return too_large_version(error.revision, error.current)
        case WatcherTooSlow():
            return Expired(f"too old resource version: {error.revision} (the watch fell behind)")
        case StoreClosed():
            return ServiceUnavailable("the store is closed", retry_after=1)
        case _:
            return InternalError(f"Internal error occurred: {error}")


def too_large_version(asked: int, current: int) -> Timeout:
    """Somebody asks for a resourceVersion that has not been given out yet."""
    return Timeout(
        f"Timeout: {TOO_LARGE}: {asked}, current: {current}",
        details={"causes": [{"reason": "ResourceVersionTooLarge", "message": TOO_LARGE}]},
        retry_after=1,
    )


def too_old_version(asked: int, oldest: int) -> Expired:
    """A watch wants to begin before what is remembered."""
    return Expired(f"too old resource version: {asked} ({oldest})")


MOST_BYTES = 1_572_864  # etcd's default for one request
MOST_SENT = 2_097_152  # what upstream's client of etcd sends at all


def refuse_too_large(size: int) -> None:
    """Refuse what etcd would not take, in its words. Raises ``ApiError`` without a reason, as upstream."""
    if size > MOST_SENT:
        raise ApiError(
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max "
            f"({size} vs. {MOST_SENT})"
        )
    if size > MOST_BYTES:
        raise ApiError("etcdserver: request is too large")
