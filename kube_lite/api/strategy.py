"""The hooks a kind may override, each with a working default; read top to bottom as the life of a write.

Hooks are pure: they see objects, never the store. ``obj`` is a private copy that a hook may change in place;
``old`` is shared and must not be changed.
Source of the hooks' names and order: ``apiserver/pkg/registry/rest``.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from .errors import Cause
from .identity import Json

ALL = ("*",)
"""Every field, where names of fields are listed."""


class Column(NamedTuple):
    """A column of a table. ``priority`` 0 is always shown, 1 only with ``-o wide``."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class Strategy:
    """What one kind does differently. This class is the behaviour of a kind without peculiarities."""

    unconditional_update = True
    """An update without resourceVersion overwrites whatever is there."""
    create_on_update = False
    """A PUT of a name that does not exist creates it."""
    has_status = True
    """Spec and status are written by different requests (where a status subresource exists)."""
    kept_by_status: ClassVar[Sequence[str]] = ()
    """Fields of metadata that a write of the status may not change; with most kinds it may change all."""
    out_of_reach: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Subresource, or ``""`` → the fields, ``status.conditions``, that writes through it can never change,
    where those are others than usual. Source: ``GetResetFields``."""
    has_generation = False
    """``metadata.generation`` counts changes of the spec."""
    defaults_when_read = False
    """Some defaults follow from what the server itself fills in, so they are there when it is read again."""
    returns_deleted = False
    """A delete is answered with the object that has gone, instead of a Status."""
    closed = ""
    """Why no object of this kind may be created any more; empty where they may."""
    scale: Mapping[str, str] | None = None
    """Where a Scale finds things: ``specReplicasPath``, ``statusReplicasPath``, …; None: as usual."""

    def default(self, obj: Json) -> None:
        """Fill in the defaults that the schema does not carry."""

    def prepare_for_create(self, obj: Json) -> None:
        """Drop what clients may not set on create, such as status. Called after ``default``."""

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Carry over what this request may not change. Status and generation are dealt with already."""

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """The same for the status subresource; spec and most of metadata are carried over already.

        ``now`` is in seconds since the epoch.
        """

    def drop_retired(self, obj: Json, old: Json | None) -> None:
        """Drop what this version only reads and an older one may write. ``old``: what is there, if anything.

        Called after ``prepare_for_create`` and ``prepare_for_update`` with the version of the request.
        """

    def validate(self, obj: Json) -> Sequence[Cause]:
        """What is wrong with a new object, beyond what its schema says; every cause, in field order."""
        return ()

    def validate_update(self, obj: Json, old: Json) -> Sequence[Cause]:
        """What is wrong with the change, ``validate`` apart."""
        return ()

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """Everything that is wrong with the next version of an object."""
        return (*self.validate(obj), *self.validate_update(obj, old))

    def validate_status_update(self, obj: Json, old: Json) -> Sequence[Cause]:
        """What is wrong with a status that is written through its subresource."""
        return ()

    def warnings(self, obj: Json) -> Sequence[str]:
        """Texts of the ``Warning`` headers that a creation answers with."""
        return ()

    def warnings_of_change(self, obj: Json, old: Json) -> Sequence[str]:
        """The same for an update."""
        return self.warnings(obj)

    def begin_deletion(self, obj: Json, now: float) -> Json | None:
        """What a first delete request makes of an object that has to do something before it goes.

        None where it goes like any other. The object is shared; ``now`` is in seconds since the epoch.
        """
        return None

    def deprecation(self) -> str:
        """What every request for this kind is warned of, whatever comes of it; empty for nothing."""
        return ""

    def default_grace_seconds(self, obj: Json) -> int | None:
        """Seconds between a delete request and the end, None where objects of this kind go at once."""
        return None

    def default_propagation(self) -> str:
        """What a delete without a policy does with dependents: ``Background`` or ``Orphan``."""
        return "Background"

    def ttl_seconds(self, obj: Json) -> int | None:
        """Seconds after its last write at which an object of this kind goes by itself; None for never."""
        return None

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """Field selector labels besides ``metadata.name`` and ``metadata.namespace`` → their values."""
        return {}

    def notes(self, obj: Json) -> Mapping[str, str]:
        """What is noted beside the stored object, for those who look at many without decoding them.

        The names must be none of ``selectable_fields``; no selector can name them.
        """
        return {}

    def field_labels(self) -> Sequence[str]:
        """The field selector labels that this kind knows besides the two of every kind."""
        return ()

    def field_aliases(self) -> Mapping[str, str]:
        """Labels of this version → those of ``selectable_fields``, where they are others."""
        return {}

    def field_label_error(self, label: str) -> str:
        """What a client is told that selects by a field label which this kind does not know."""
        if self.field_labels():
            return f"field label not supported: {label}"
        return f'"{label}" is not a known field selector: only "metadata.name", "metadata.namespace"'

    def bare(self, obj: Json) -> Json:
        """The object as tables and bare metadata show it: without what only its API version puts there."""
        return obj

    def columns(self) -> Sequence[Column]:
        """The columns of a table, ``Name`` first."""
        return DEFAULT_COLUMNS

    def cells(self, obj: Json, now: float) -> list[object]:
        """One row: a value per column. ``now`` is in seconds since the epoch, for ages."""
        metadata = obj["metadata"]
        return [metadata["name"], metadata.get("creationTimestamp")]


NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources "
    "may allow a client to request the generation of an appropriate name automatically. Name is primarily "
    "intended for creation idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED_DESCRIPTION = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not "
    "guaranteed to be set in happens-before order across separate operations. Clients may not set this "
    "value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for "
    "lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
NAME = Column("Name", format="name", description=NAME_DESCRIPTION)
AGE = Column("Age", description=CREATED_DESCRIPTION)
DEFAULT_COLUMNS: tuple[Column, ...] = (NAME, Column("Created At", "date", description=CREATED_DESCRIPTION))
