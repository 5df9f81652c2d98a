"""The definitions of old versions, made of those of the release that is served and a table of differences.

The published documents begin with 1.25, but what was renamed or removed until then is little. So a package of
old has the definitions of its successor with references and kinds brought into line, but for what
``differences`` says. Which there are is worked out at once, each when somebody looks into it.
"""

from collections.abc import Container, Iterator, Mapping

from kube_lite.api.identity import GroupVersion, Json
from kube_lite.api.schema import shapes
from kube_lite.api.schema.load import INT_OR_STRING, QUANTITY, Source

from .differences import CHANGES, GROUPS, NEW, PARTS, TEXTS, Change

PREFIX = shapes.PREFIX
META = "io.k8s.apimachinery.pkg.apis."
SCALARS: Mapping[str, Json] = {
    "s": {"type": "string"},
    "i": {"type": "integer", "format": "int32"},
    "l": {"type": "integer", "format": "int64"},
    "b": {"type": "boolean"},
    "Q": {"$ref": QUANTITY},
    "O": {"$ref": INT_OR_STRING},
}
ZEROS = {"s": '"', "i": "0", "l": "0", "Q": "#", "[": "-"}
"""What is written of a required field that nobody has set, as ``shapes`` marks it; others are structs."""
KIND = "x-kubernetes-group-version-kind"
_METADATA = "metadata:"


class Derived:
    """The definitions of the versions of old that a release has not itself."""

    def __init__(self, current: Source) -> None:
        self._current = current
        self.sources = self._find_sources()
        for name, source in self.sources.items():
            _learn_shape(name, source)

    def kinds(self) -> Mapping[str, str]:
        """``apps/v1beta1/Deployment`` → the name of its definition."""
        today = {name: kind for kind, name in self._current.kinds().items()}
        old = {}
        for name in self.sources:
            package, _, kind = name.rpartition(".")
            if self._is_kind(name, today):
                group, version = group_version_of(package)
                old[f"{group}/{version}/{kind}"] = name
        return old

    def _is_kind(self, name: str, today: Container[str]) -> bool:
        source = self.sources.get(name)
        if source is None:
            return name in today
        return self._is_kind(source, today) if source else _METADATA in NEW[_short(name)]

    def _find_sources(self) -> Mapping[str, str]:
        """Definition of old → the one that it comes from, empty for those that come from none."""
        today = self._current.names()
        derived = {_full(name): "" for name in NEW}
        kinds: dict[str, list[str]] = {}
        for name in (*today, *derived):
            package, _, kind = name.rpartition(".")
            kinds.setdefault(_short(package), []).append(kind)
        for package, parts in PARTS.items():
            for part in parts:
                for kind in kinds.get(part.package, ()):
                    name = _full(f"{package}.{kind}")
                    if kind.startswith(part.taken) and not kind.startswith(part.left) and name not in today:
                        derived.setdefault(name, _full(f"{part.package}.{kind}"))
        return derived

    def document(self, name: str) -> Json:
        """One definition, made anew."""
        source = self.sources.get(name)
        if source is None:
            return self._current.document(name)
        package, _, kind = name.rpartition(".")
        if source:
            change = CHANGES.get(_short(name), Change())
            fields = " ".join(field for field in change.fields.split() if self._can_say(field, package))
            document = _changed(self.document(source), change._replace(fields=fields), package)
            document = self._referring(document, package)
        else:
            text = NEW[_short(name)]
            document = _described_by(package, text)
            if _METADATA in text:
                document[KIND] = []
        if KIND in document:
            group, version = group_version_of(package)
            document[KIND] = [{"group": group, "kind": kind, "version": version}]
        return document

    def _can_say(self, field: str, package: str) -> bool:
        """Whether a release has what a field is made of."""
        type_ = field.partition(":")[2].lstrip("[{?")
        return type_ in SCALARS or "." in type_ or f"{package}.{type_}" in self.sources

    def _referring(self, document: Json, package: str) -> Json:
        """A definition whose references stay in its package where that has what they mean."""
        if isinstance(document.get("$ref"), str):
            source, _, kind = document["$ref"].rpartition(".")
            own = f"{package}.{kind}"
            is_part = any(_full(part.package) == source for part in PARTS[_short(package)])
            return {**document, "$ref": own} if is_part and own in self.sources else document
        if "properties" in document:
            fields = document["properties"].items()
            properties = {name: self._referring(below, package) for name, below in fields}
            document = {**document, "properties": properties}
        for word in ("items", "additionalProperties"):
            if isinstance(document.get(word), dict):
                document = {**document, word: self._referring(document[word], package)}
        return document

    def descriptions(self, name: str) -> dict[str, str]:
        """Field → description."""
        source = self.sources.get(name)
        if source is None:
            return self._current.descriptions(name)
        change = CHANGES.get(_short(name), Change())
        told = self.descriptions(source) if source else {}
        told = {
            change.renamed.get(field, field): text for field, text in told.items() if field not in change.gone
        }
        own = [field for field, *_ in _fields(change.fields if source else NEW[_short(name)])]
        return told | {field: TEXTS[field] for field in (*own, *change.renamed.values()) if field in TEXTS}

    def enums(self, name: str) -> Mapping[str, Mapping[str, str]]:
        """Field → value → what it means."""
        source = self.sources.get(name)
        if source is None:
            return self._current.enums(name)
        return self.enums(source) if source else {}


def _full(name: str) -> str:
    return name if name.startswith("io.") else f"{PREFIX}{name}"


def _short(name: str) -> str:
    return name.removeprefix(PREFIX)


def group_version_of(package: str) -> GroupVersion:
    """``io.k8s.api.rbac.v1beta1`` → the group and version of its kinds."""
    *_, word, version = package.split(".")
    return GroupVersion(GROUPS.get(word, word), version)


def _fields(text: str) -> Iterator[tuple[str, str, bool]]:
    """The fields of an entry of the table: name, type, whether it is required."""
    for entry in text.split():
        name, _, type_ = entry.partition(":")
        yield name.rstrip("!"), type_, name.endswith("!")


def _described_by(package: str, text: str) -> Json:
    """A definition of its own, by its fields."""
    document: Json = {"type": "object", "properties": {}}
    for name, type_, is_required in _fields(text):
        document["properties"][name] = _typed(package, type_)
        if is_required:
            document.setdefault("required", []).append(name)
    return document


def _typed(package: str, type_: str) -> Json:
    if type_[0] == "[":
        return {"type": "array", "items": _typed(package, type_[1:])}
    if type_[0] == "{":
        return {"type": "object", "additionalProperties": _typed(package, type_[1:])}
    type_ = type_.removeprefix("?")
    if type_ in SCALARS:
        return dict(SCALARS[type_])
    if "." not in type_:
        return {"$ref": f"{package}.{type_}"}
    return {"$ref": f"{META if type_.startswith('meta.') else PREFIX}{type_}"}


def _changed(document: Json, change: Change, package: str) -> Json:
    """A definition with a change applied to it."""
    if change == Change():
        return document
    properties = {
        change.renamed.get(field, field): below
        for field, below in document.get("properties", {}).items()
        if field not in change.gone
    }
    properties |= _described_by(package, change.fields)["properties"]
    dropped = {*change.gone, *change.optional}
    required = [
        change.renamed.get(field, field) for field in document.get("required", ()) if field not in dropped
    ]
    changed = {word: value for word, value in document.items() if word != "required"}
    if required:
        changed["required"] = required
    return {**changed, "properties": properties}


def _learn_shape(name: str, source: str) -> None:
    """Say what Go's struct of an old definition is like: as that of its source, but for the change."""
    change = CHANGES.get(_short(name), Change())
    shape = shapes.shape_of(source) if source else shapes.NO_SHAPE
    dropped = {*change.gone, *change.optional}
    pointers = {change.renamed.get(field, field) for field in shape.pointers if field not in change.gone}
    always = [
        (change.renamed.get(field, field), mark) for field, mark in shape.always if field not in dropped
    ]
    for field, type_, is_required in _fields(change.fields if source else NEW[_short(name)]):
        if type_.startswith("?"):
            pointers.add(field)
        if is_required:
            always.append((field, ZEROS.get(type_ if len(type_) == 1 else type_[0], "{")))
    shapes.learn(name, shapes.Shape(frozenset(pointers), tuple(always)))
