"""The images on this node: the host's own root, and what was imported from directories and archives.

    <directory>/<64 hex digits>/image.json      names, command, environment, user, size
    <directory>/<64 hex digits>/root/           the root file system, never changed once image.json is there

The digits are the SHA-256 of the archive, or of the listing of the directory (names, sizes, times), with the
configuration: importing the same thing again finds it. An import is made under a temporary name and renamed.
Blocking throughout: callers run it in a thread of their own.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ImageMissing, PullFailed
from ..types import ImageState
from .host import HOST_IMAGE, host_image
from .reference import InvalidReference, normalise
from .unpack import UnsafeArchive, unpack

FIELDS = ("user", "entrypoint", "command", "environment", "working_directory")


class LocalImages:
    """A directory of images."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._images: dict[str, ImageState] = {}
        """By id."""
        self._read_at = 0
        """When the directory had last changed as it was read; another process may import too."""

    def open(self) -> None:
        """Read what is there; what an interrupted import left is removed."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._directory.glob("import-*"):
            shutil.rmtree(path, ignore_errors=True)
        self._refresh()

    def all(self) -> list[ImageState]:
        """Every image."""
        self._refresh()
        return list(self._images.values())

    def find(self, name: str) -> ImageState | None:
        """The image of that name or id."""
        self._refresh()
        if name in self._images:
            return self._images[name]
        try:
            full = normalise(name)
        except InvalidReference:
            return None
        return next((image for image in self._images.values() if full in image.names), None)

    def get(self, name: str) -> ImageState:
        """As ``find``. Raises ``ImageMissing``."""
        image = self.find(name)
        if image is None:
            raise ImageMissing(f'image "{name}" is not present on this node')
        return image

    def layers(self, image: ImageState) -> list[Path]:
        """The image's directories, the topmost first; none for the host's root."""
        if HOST_IMAGE in image.names:
            return []
        return [self._directory / image.id.removeprefix("sha256:") / "root"]

    def missing(self, name: str) -> PullFailed:
        """Why ``name`` cannot be pulled, in the manner of containerd."""
        try:
            full = normalise(name)
        except InvalidReference as error:
            return PullFailed(str(error))
        return PullFailed(
            f'failed to pull and unpack image "{full}": this node has no registry client; '
            'import the image with "kube-lite image import"'
        )

    def import_image(
        self, source: Path, names: Sequence[str], *, config: Mapping[str, Any] | None = None
    ) -> ImageState:
        """Keep a copy of a root file system under ``names``; an older image loses a name that it had.

        Args:
            source: a directory, or a tar archive, plain or compressed.
            names: such as ``busybox:1.37``; at least one.
            config: any of ``entrypoint``, ``command``, ``environment`` (``NAME=value`` each),
                ``working_directory``, ``user``.

        Raises:
            InvalidReference, UnsafeArchive, OSError.
        """
        full = [normalise(name) for name in names]
        if not full or HOST_IMAGE in full:
            raise InvalidReference(f"an import needs a name, and not {HOST_IMAGE}")
        fields = {key: value for key, value in (config or {}).items() if key in FIELDS}
        digest = _digest(source, fields)
        place = self._directory / digest
        if not (place / "image.json").exists():
            temporary = Path(tempfile.mkdtemp(prefix="import-", dir=self._directory))
            try:
                size = _fill(source, temporary / "root")
                self._describe(temporary, digest, full, size, fields)
                temporary.rename(place)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        self._claim(digest, full)
        return self.get(f"sha256:{digest}")

    def remove(self, name: str) -> None:
        """Forget an image and its files. Raises ``ImageMissing``; the host's root stays."""
        image = self.get(name)
        if HOST_IMAGE in image.names:
            return
        place = self._directory / image.id.removeprefix("sha256:")
        (place / "image.json").unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        self._read_at = 0

    def _claim(self, digest: str, names: Sequence[str]) -> None:
        state = _read(self._directory / digest / "image.json")
        if state is None:
            raise ImageMissing(f"image sha256:{digest} could not be read back")
        for other in self.all():
            kept = [name for name in other.names if name not in names]
            if other.id != state.id and len(kept) < len(other.names):
                self._rename(other, kept)
        self._rename(state, sorted({*state.names, *names}))

    def _rename(self, image: ImageState, names: Sequence[str]) -> None:
        place = self._directory / image.id.removeprefix("sha256:")
        fields = {key: getattr(image, key) for key in FIELDS}
        self._describe(place, image.id.removeprefix("sha256:"), names, image.size_bytes, fields)
        os.utime(self._directory)  # so that other processes look again
        self._read_at = 0

    def _refresh(self) -> None:
        changed = self._directory.stat().st_mtime_ns
        if changed == self._read_at:
            return
        host = host_image()
        found = [_read(path) for path in sorted(self._directory.glob("*/image.json"))]
        self._images = {image.id: image for image in [host, *found] if image is not None}
        self._read_at = changed

    @staticmethod
    def _describe(
        place: Path, digest: str, names: Sequence[str], size: int, fields: Mapping[str, Any]
    ) -> None:
        record = {"id": f"sha256:{digest}", "names": list(names), "size_bytes": size, **fields}
        new = place / "image.new"
        new.write_text(json.dumps(record))
        new.rename(place / "image.json")


def _read(path: Path) -> ImageState | None:
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        for name, value in fields.items():
            fields[name] = tuple(value) if isinstance(value, list) else value
        return ImageState(**fields)
    except (OSError, ValueError, TypeError):
        return None


def _fill(source: Path, root: Path) -> int:
    """Copy or unpack; bytes of content."""
    if source.is_dir():
        shutil.copytree(source, root, symlinks=True)
        return sum(size for _, size, _ in _listing(source))
    root.mkdir(mode=0o755)
    size = unpack(source, root)
    if not any(root.iterdir()):
        raise UnsafeArchive(f"{source.name}: empty")
    return size


def _digest(source: Path, fields: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True, default=list).encode())
    if source.is_dir():
        for entry in _listing(source):
            digest.update(repr(entry).encode())
    else:
        with source.open("rb") as file:
            while piece := file.read(1024 * 1024):
                digest.update(piece)
    return digest.hexdigest()


def _listing(directory: Path) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of every file, in order."""
    for folder, folders, files in os.walk(directory):
        folders.sort()
        for name in sorted(files):
            status = (Path(folder) / name).lstat()
            yield os.path.relpath(Path(folder) / name, directory), status.st_size, status.st_mtime_ns
