"""One version of one object as it lies in the store: bytes first, decoded when somebody must look inside.

The bytes are the final JSON that clients read. The decoded form is made once per version and shared by all
who ask, so it must never be changed.
"""

from functools import cached_property

import orjson

from kube_lite.api.identity import Json


class Stored:
    """An object's JSON, and the revision that is its ``resourceVersion``."""

    def __init__(self, raw: bytes, revision: int) -> None:
        self.raw = raw
        self.revision = revision

    @cached_property
    def object(self) -> Json:
        """The object, decoded once; shared, never to be changed."""
        decoded: Json = orjson.loads(self.raw)
        return decoded

    @property
    def resource_version(self) -> str:
        """The text clients see."""
        return str(self.revision)
