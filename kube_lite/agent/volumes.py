"""Make the files that a pod's containers will see, keep them fresh, and take them away.

Objects and tokens are read through the client, files are written on a thread of their own. A volume is made
anew from the same spec at any time, so preparing is also how a change of a config map, a label or an expiring
token reaches the files.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from kube_lite_runtime.types import Mount

from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import Json
from kube_lite.api.times import parse_time
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import Clock

from .claims import claim_name, plan_claimed
from .containers import PROPAGATION
from .csi import CsiVolumes, plan_volume, unregistered
from .downward import Surroundings
from .environment import Reference, Sources, expand
from .payloads import (
    PAYLOAD_SOURCES,
    Payload,
    TokenWish,
    VolumeFailed,
    payload,
    token_wishes,
    volume_references,
)
from .resources import CLAIMS, CONFIG_MAPS, PERSISTENT_VOLUMES, SECRETS, SERVICE_ACCOUNTS, Directories
from .volume_files import (
    check_host_path,
    make_empty_directory,
    remove_pod_directory,
    resolve_inside,
    write_payload,
)

RESOURCES = {"configmap": CONFIG_MAPS, "secret": SECRETS}
FRESH_SHARE = 0.8  # a token is replaced when that much of its life is over, upstream's figure
FRESH_SECONDS = 24 * 3600.0
T = TypeVar("T")


class _Token(NamedTuple):
    text: str
    replace_at: float


class Volumes:
    """The volumes of all pods on this node.

    Args:
        directories: where they are made.
        csi: knows of volumes that must be attached.
    """

    def __init__(self, client: Client, clock: Clock, directories: Directories, csi: CsiVolumes) -> None:
        self._client = client
        self._csi = csi
        self._clock = clock
        self._directories = directories
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="volumes")
        self._tokens: dict[str, dict[TokenWish, _Token]] = {}
        self._claimed: dict[str, dict[str, Json]] = {}
        """By the pod's uid and the name in its spec: what is behind its claims, in a pod volume's form."""

    def close(self) -> None:
        """Let the thread end once it has done what it was given."""
        self._thread.shutdown(wait=True)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do something that blocks on the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def read(self, namespace: str, wanted: Iterable[Reference]) -> Sources:
        """The objects that were referred to; None for those that are not there."""
        found: dict[Reference, Json | None] = {}
        for reference in wanted:
            try:
                resource = RESOURCES[reference.kind]
                found[reference] = await self._client.get(resource, reference.name, namespace=namespace)
            except NotFound:
                found[reference] = None
        return found

    async def prepare(self, pod: Json, surroundings: Surroundings) -> float | None:
        """Make or refresh every volume of a pod.

        Returns:
            when a token must be replaced at the latest, in seconds since the epoch; None if never.

        Raises:
            VolumeFailed: a volume cannot be made; the message is upstream's, with the volume's name.
        """
        sources = await self.read(pod["metadata"]["namespace"], volume_references(pod))
        claimed = self._claimed[pod["metadata"]["uid"]] = await self._behind_claims(pod)
        tokens = await self._tokens_for(pod)
        texts = {wish: token.text for wish, token in tokens.items()}
        works: list[Callable[[], None]] = []
        for volume in pod["spec"].get("volumes") or ():
            try:
                used = claimed.get(volume["name"], volume)
                works.append(self._work(pod, used, sources, texts, surroundings))
            except VolumeFailed as failure:
                raise VolumeFailed(_setup_failed(volume["name"], failure)) from failure
        if works:
            await self.in_thread(lambda: [work() for work in works])
        return min((token.replace_at for token in tokens.values()), default=None)

    def _work(
        self,
        pod: Json,
        volume: Json,
        sources: Sources,
        tokens: Mapping[TokenWish, str],
        surroundings: Surroundings,
    ) -> Callable[[], None]:
        """What is to be done on the disk for one volume. Raises ``VolumeFailed``."""
        name = volume["name"]
        directory = self._directories.volumes(pod["metadata"]["uid"]) / name
        group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
        if any(volume.get(kind) is not None for kind in PAYLOAD_SOURCES):
            files: Payload = payload(pod, volume, sources=sources, tokens=tokens, surroundings=surroundings)
            is_secret = _holds_secrets(volume)
            return _named(name, lambda: write_payload(directory, files, group, is_secret=is_secret))
        if volume.get("hostPath") is not None:
            path, kind = Path(volume["hostPath"]["path"]), volume["hostPath"].get("type") or ""
            return _named(name, lambda: check_host_path(path, kind))
        if volume.get("csi") is not None and not self._csi.is_played:
            words = "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: "
            raise VolumeFailed(words + unregistered(volume["csi"]["driver"]))
        no_kinds = ("name", "csi")
        kinds = [kind for kind, source in volume.items() if kind not in no_kinds and source is not None]
        if kinds in ([], ["emptyDir"]):
            source = volume.get("emptyDir") or {}
            return _named(name, lambda: make_empty_directory(directory, source, group))
        raise VolumeFailed(f"this node has no plugin for volumes of type {', '.join(kinds)}")

    async def _behind_claims(self, pod: Json) -> dict[str, Json]:
        """The pod's volumes that are claims, as what those are bound to. Raises ``VolumeFailed``."""
        found: dict[str, Json] = {}
        of_drivers: dict[str, tuple[Json, Json]] = {}
        for volume in pod["spec"].get("volumes") or ():
            name = claim_name(pod, volume)
            if name:
                try:
                    bound = await self._behind_claim(pod, name)
                    if bound["spec"].get("csi") is not None:
                        of_drivers[volume["name"]] = (volume, bound)
                    else:
                        found[volume["name"]] = plan_claimed(volume, bound)
                except VolumeFailed as failure:
                    raise VolumeFailed(_setup_failed(volume["name"], failure)) from failure
        if of_drivers:
            await self._csi.require(pod, [(name, bound) for name, (_, bound) in of_drivers.items()])
            for name, (volume, bound) in of_drivers.items():
                found[name] = plan_volume(volume, bound, is_played=self._csi.is_played)
        return found

    async def _behind_claim(self, pod: Json, name: str) -> Json:
        namespace = pod["metadata"]["namespace"]
        words = f"error processing PVC {namespace}/{name}"
        try:
            claim = await self._client.get(CLAIMS, name, namespace=namespace)
            if (claim.get("status") or {}).get("phase") != "Bound":
                raise VolumeFailed(f"{words}: PVC is not bound")
            bound = await self._client.get(PERSISTENT_VOLUMES, claim["spec"]["volumeName"])
        except NotFound as error:
            raise VolumeFailed(f"{words}: failed to fetch PVC from API server: {error.message}") from error
        return bound

    async def _tokens_for(self, pod: Json) -> Mapping[TokenWish, _Token]:
        wishes = token_wishes(pod)
        if not wishes:
            return {}
        kept = self._tokens.setdefault(pod["metadata"]["uid"], {})
        for wish in wishes:
            token = kept.get(wish)
            if token is None or token.replace_at <= self._clock.now():
                try:
                    kept[wish] = await self._request_token(pod, wish)
                except ApiError as error:
                    account = pod["spec"].get("serviceAccountName", "default")
                    everyone = pod["spec"]["volumes"]
                    volume = next(one["name"] for one in everyone if wish in _token_wishes_of(one))
                    why = VolumeFailed(f"failed to fetch token for {account}: {error.message}")
                    raise VolumeFailed(_setup_failed(volume, why)) from error
        return kept

    async def _request_token(self, pod: Json, wish: TokenWish) -> _Token:
        metadata = pod["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        request: Json = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [wish.audience] if wish.audience else [],
                "expirationSeconds": wish.expiration_seconds,
                "boundObjectRef": bound,
            },
        }
        answer = await self._client.create(
            SERVICE_ACCOUNTS,
            request,
            namespace=metadata["namespace"],
            name=pod["spec"].get("serviceAccountName") or "default",
            subresource="token",
        )
        status = answer["status"]
        now = self._clock.now()
        life = parse_time(status["expirationTimestamp"]) - now
        return _Token(status["token"], now + min(life * FRESH_SHARE, FRESH_SECONDS))

    async def mounts(self, pod: Json, container: Json, environment: Mapping[str, str]) -> list[Mount]:
        """What one container sees where. Raises ``VolumeFailed``."""
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
        volumes |= self._claimed.get(pod["metadata"]["uid"], {})
        wanted = container.get("volumeMounts") or ()
        return await self.in_thread(
            lambda: [self._mount(pod, volumes[mount["name"]], mount, environment) for mount in wanted]
        )

    def _mount(self, pod: Json, volume: Json, mount: Json, environment: Mapping[str, str]) -> Mount:
        source = self._directories.volumes(pod["metadata"]["uid"]) / volume["name"]
        if volume.get("hostPath") is not None:
            source = Path(volume["hostPath"]["path"])
        relative = mount.get("subPath") or expand(mount.get("subPathExpr") or "", environment)
        comes_from_api = any(volume.get(kind) is not None for kind in PAYLOAD_SOURCES)
        try:
            source = resolve_inside(source, relative) if relative else source.resolve()
        except VolumeFailed as failure:
            words = f'failed to prepare subPath for volumeMount "{volume["name"]}" of container'
            raise VolumeFailed(f"{words}: {failure}") from failure
        return Mount(
            source,
            mount["mountPath"],
            read_only=bool(mount.get("readOnly")) or comes_from_api or bool(volume.get("readOnly")),
            propagation=PROPAGATION.get(mount.get("mountPropagation") or "", "private"),
        )

    async def make_message_file(self, path: Path) -> None:
        """The file for a container's last words, writable for whoever it runs as."""

        def make() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            path.chmod(0o666)

        await self.in_thread(make)

    async def remove_pod(self, namespace: str, name: str, uid: str) -> None:
        """Forget the volumes and logs of a pod that is gone."""
        self._tokens.pop(uid, None)
        self._claimed.pop(uid, None)
        self._csi.forget(uid)
        logs = self._directories.pod_logs(namespace, name, uid)

        def remove() -> None:
            remove_pod_directory(self._directories.pod(uid))
            shutil.rmtree(logs, ignore_errors=True)

        await self.in_thread(remove)


def _holds_secrets(volume: Json) -> bool:
    sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
    return any(source.get(kind) for source in sources for kind in ("secret", "serviceAccountToken"))


def _token_wishes_of(volume: Json) -> set[TokenWish]:
    return token_wishes({"spec": {"volumes": [volume]}})


def _setup_failed(name: str, failure: VolumeFailed) -> str:
    return f'MountVolume.SetUp failed for volume "{name}" : {failure}'


def _named(name: str, work: Callable[[], object]) -> Callable[[], None]:
    """The same work, whose failures name the volume."""

    def perform() -> None:
        try:
            work()
        except VolumeFailed as failure:
            raise VolumeFailed(_setup_failed(name, failure)) from failure
        except OSError as error:
            raise VolumeFailed(_setup_failed(name, VolumeFailed(str(error)))) from error

    return perform
