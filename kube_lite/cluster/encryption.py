"""Encryption of the stored objects while the cluster runs: its keys, changing them, rewriting what is there.

The keys of a cluster's own lie in ``keys/encryption.json`` in the data directory, beside the store and not in
it. They are made at the first start. When the file is gone later, although the store has values that need it,
the cluster does not start: a new key would only hide that the old one is lost.

Rewriting goes on in the background, step by step in the store's writer, and outlasts a restart. Three paths
of the API, for administrators, tell of all this and set it going; ``kube-lite secrets`` asks them.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from kube_lite_storage import CannotDecrypt, CannotEncrypt, KeyServiceFailed, KeysUnusable, Store, StoreFull
from kube_lite_storage.envelope import Envelope, seed_of
from kube_lite_storage.keyring import FileKeys
from kube_lite_storage.rewriting import BEGIN

from kube_lite.api.errors import BadRequest, Conflict, ServiceUnavailable
from kube_lite.api.identity import Json
from kube_lite.kit.clock import Clock
from kube_lite.registry.encryption import Rule, Seen, as_cipher, local_key_ids

from .config import ConfigError

log = logging.getLogger(__name__)
Result = TypeVar("Result")

UNABLE = (CannotEncrypt, StoreFull)
KEYS_FILE = Path("keys", "encryption.json")
PATH = "/kube-lite/encryption"
POLL_SECONDS = 60.0  # how often a KMS plug-in is asked for its key; upstream's
RETRY_SECONDS = 5.0  # after a step of rewriting that could not be done, such as when the disk is full


class Encryption:
    """The keys of one cluster and the cipher made of them; a ``Service`` that rewrites and polls."""

    name = "encryption"

    def __init__(self, store: Store, keys: FileKeys, file: Path | None, clock: Clock) -> None:
        """``file`` is an ``EncryptionConfiguration``. Use ``start``."""
        self._store = store
        self._keys = keys
        self._file = file
        self._clock = clock
        self._cipher = as_cipher(_rules_in(file), keys)
        self._wanted = asyncio.Event()
        self._stepping = asyncio.Lock()  # guards what follows over the length of a step
        self._position: bytes | None = None
        self._rewritten = self._unreadable = 0
        self._reason = ""
        # Key services are asked from a thread of their own, made when there is one to ask.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kube-lite-keys")
        store.encrypt_with(self._cipher)

    @classmethod
    async def start(cls, store: Store, directory: Path, file: Path | None, clock: Clock) -> "Encryption":
        """Find or make the keys of a data directory, and let the store encrypt with them.

        Raises:
            ConfigError: the configuration cannot be used.
            KeysUnusable: keys are missing, or not private.
        """
        path = directory / KEYS_FILE
        if path.exists():
            encryption = cls(store, FileKeys(path), file, clock)
            await encryption._warm_up()
            return encryption
        needed = await local_key_ids(store)
        if needed:
            raise KeysUnusable(
                f"{path} is missing, and {sum(needed.values())} stored values need its keys "
                f"({', '.join(sorted(needed))}); put the file back from wherever you keep a copy"
            )
        encryption = cls(store, FileKeys.create(path), file, clock)
        await encryption._warm_up()
        return encryption

    async def run(self, ready: Callable[[], None]) -> None:
        """Rewrite what was asked for, in this run or before; follow the keys of plug-ins."""
        self._position = self._store.rewriting
        if self._position is not None:
            self._wanted.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._rewrite_when_wanted(), name="rewriting")
                group.create_task(self._follow_plug_ins(), name="plug-ins")
                ready()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
            _hang_up(self._cipher.envelopes.values())

    @property
    def operations(self) -> Mapping[tuple[str, str], Callable[[], Awaitable[Json]]]:
        """What the API server serves for administrators, by method and path."""
        return {
            ("GET", PATH): self.status,
            ("POST", f"{PATH}/rotate"): self.rotate,
            ("POST", f"{PATH}/reencrypt"): self.reencrypt,
        }

    async def status(self) -> Json:
        """Which resources are encrypted, how the stored values are, and how far rewriting is."""
        now: Counter[Seen] = Counter()
        before: Counter[Seen] = Counter()
        cipher = self._cipher

        def visit(key: bytes, stored: bytes, is_past: bool) -> None:
            seen = cipher.look_at(key, stored)
            if seen is not None:
                (before if is_past else now)[seen] += 1

        await self._store.survey(visit)
        return {
            "configuration": str(self._file) if self._file else "",
            "encrypted": list(cipher.encrypted),
            "keysFile": str(self._keys.path),
            "keys": list(self._keys.ids),
            "values": _counted(now),
            "replacedValues": _counted(before),
            "rewriting": {
                "state": "updating" if self._position is not None else "idle",
                "rewritten": self._rewritten,
                "unreadable": self._unreadable,
                "reason": self._reason,
            },
        }

    async def rotate(self) -> Json:
        """Write with new keys from now on, and begin to rewrite what is there.

        The cluster's own keys get a new one, a plug-in is asked for its own.

        Raises:
            Conflict: the keys in use stand in a file or variable, and are changed there.
            ServiceUnavailable: a plug-in does not answer.
        """
        writing = [
            each
            for each in self._cipher.writing
            if each.service.is_remote or isinstance(each.service, FileKeys)
        ]
        if not writing:
            place = self._file or "the configuration"
            raise Conflict(f"the keys in use stand in {place}: put a new one first there, then reencrypt")
        for service in {id(each.service): each.service for each in writing}.values():
            if isinstance(service, FileKeys):
                service.rotate()
        for envelope in writing:
            try:
                await self._in_thread(envelope.refresh)
            except CannotEncrypt as error:
                raise ServiceUnavailable(str(error)) from error
        log.info("keys were rotated", extra={"providers": len(writing)})
        return await self._begin()

    async def reencrypt(self) -> Json:
        """Read the configuration file again, and begin to rewrite all that is not as it says.

        Raises ``BadRequest`` when the file cannot be used; all stays as it was.
        """
        old = self._cipher
        try:
            cipher = as_cipher(_rules_in(self._file), self._keys, old)
        except (ConfigError, KeysUnusable) as error:
            raise BadRequest(str(error)) from error
        self._cipher = cipher
        await self._warm_up()
        self._store.encrypt_with(cipher)
        kept = list(cipher.envelopes.values())
        _hang_up(envelope for envelope in old.envelopes.values() if envelope not in kept)
        return await self._begin()

    async def _warm_up(self) -> None:
        """Ask remote key services now for all that reads and writes need, which then wait for nobody."""
        remote = [each for each in self._cipher.envelopes.values() if each.service.is_remote]
        if not remote:
            return
        for envelope in remote:
            if envelope in self._cipher.writing and not envelope.has_seed:
                await self._follow(envelope)
        needed: dict[tuple[bytes, bytes], tuple[Envelope, bytes, bytes]] = {}

        def visit(key: bytes, stored: bytes, is_past: bool) -> None:
            for envelope in remote:
                if stored.startswith(envelope.prefix):
                    needed.setdefault((envelope.prefix, seed_of(stored)), (envelope, key, stored))

        await self._store.survey(visit)
        for envelope, key, stored in needed.values():
            try:
                await self._in_thread(partial(envelope.decrypt, key, stored))
            except CannotDecrypt as error:
                log.warning("stored values cannot be read", extra={"reason": str(error)})

    async def _begin(self) -> Json:
        async with self._stepping:
            self._rewritten = self._unreadable = 0
            self._reason = ""
            try:
                await self._step(
                    BEGIN
                )  # before we answer, so that it is on the disk that there is more to do
            except UNABLE as error:
                raise ServiceUnavailable(str(error)) from error
        if self._position is not None:
            self._wanted.set()
        return await self.status()

    async def _step(self, position: bytes) -> None:
        step = await self._store.rewrite(position)
        self._position = step.position
        self._rewritten += step.rewritten
        self._unreadable += step.unreadable
        self._reason = step.reason or self._reason

    async def _rewrite_when_wanted(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._position is not None:
                async with self._stepping:
                    failure = await self._tried_step()
                if failure:
                    log.warning("values cannot be encrypted anew now", extra={"reason": failure})
                    await self._clock.sleep(RETRY_SECONDS)
            counts = {"rewritten": self._rewritten, "unreadable": self._unreadable}
            log.info("stored values were encrypted anew", extra=counts)

    async def _tried_step(self) -> str:
        """Why the step could not be done; empty if it was."""
        try:
            if self._position is not None:
                await self._step(self._position)
        except UNABLE as error:
            self._reason = str(error)
            return self._reason
        return ""

    async def _follow_plug_ins(self) -> None:
        while True:
            remote = [each for each in self._cipher.writing if each.service.is_remote]
            is_waiting = not all(each.has_seed for each in remote)
            await self._clock.sleep(RETRY_SECONDS if is_waiting else POLL_SECONDS)
            for envelope in remote:
                await self._follow(envelope)

    async def _follow(self, envelope: Envelope) -> None:
        try:
            if not envelope.has_seed or await self._in_thread(envelope.has_changed):
                await self._in_thread(envelope.refresh)
                log.info("a key service has given a key", extra={"provider": envelope.name})
        except (CannotEncrypt, KeyServiceFailed) as error:
            log.warning("a key service fails", extra={"provider": envelope.name, "reason": str(error)})

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _rules_in(file: Path | None) -> Sequence[Rule]:
    """The rules of a configuration file, none without one. Raises ``ConfigError``, never with a key in it."""
    if file is None:
        return ()
    import yaml  # only who has a file pays for it

    from kube_lite.registry.encryption_file import EncryptionFileInvalid, parse_encryption

    try:
        return parse_encryption(yaml.safe_load(file.read_text()))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"encryption configuration {file}: {reason}") from None
    except yaml.YAMLError as error:  # whose text shows the lines around the mistake
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise ConfigError(f"encryption configuration {file}: {where}{problem}") from None
    except EncryptionFileInvalid as error:
        raise ConfigError(f"encryption configuration {file}: {error}") from error


def _counted(found: Mapping[Seen, int]) -> list[Json]:
    return [
        {"resource": seen.resource, "scheme": seen.scheme, "current": seen.is_current, "count": count}
        for seen, count in sorted(found.items())
    ]


def _hang_up(envelopes: Iterable[Envelope]) -> None:
    for envelope in envelopes:
        envelope.service.close()
