"""Tokens of ServiceAccounts: signed for an audience and a time, bound to objects that must still be there.

A token is a JWT signed with a key that lies in the data directory. Whoever presents it is the account, as
long as the account (and the Pod, Secret or Node it is bound to) exists with the uid that the token names.
Verified tokens are remembered until shortly after, because checking a signature costs more than a whole
GET; that the objects still exist is looked up each time.

Tokens that lie in Secrets are of an older form: they never end, and are good while the Secret holds them.
Source: ``pkg/serviceaccount/claims.go``, ``legacy.go``.
"""

import asyncio
import base64
import hashlib
import hmac
import math
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kube_lite.api.errors import Unauthorized
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.legacy_tokens import INVALID_SINCE, LAST_USED, SECONDS_OF_DAY, day_of
from kube_lite.kit.clock import Clock
from kube_lite.kit.files import write_private

from .authenticate import Credentials
from .user import User

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ISSUER = "https://kubernetes.default.svc.cluster.local"
ALGORITHM = "RS256"
KEY_BITS = 2048
LEEWAY_SECONDS = 60.0
REMEMBERED = 1024
USER_PREFIX = "system:serviceaccount:"
CLAIM = "kubernetes.io"
OLD_ISSUER = "kubernetes/serviceaccount"
OLD_CLAIM = "kubernetes.io/serviceaccount/"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"

Lookup = Callable[[str, ObjectKey], Json | None]
"""``pods`` or ``serviceaccounts`` or ``secrets`` or ``nodes``, and which one → the object, or None."""
Used = Callable[[ObjectKey, str], None]
"""Is told a Secret and its uid."""


class Bound(NamedTuple):
    """The object a token dies with."""

    kind: str
    name: str
    uid: str


class Issued(NamedTuple):
    """A token, and when it ends, in seconds since the epoch."""

    token: str
    expires: float


class Verified(NamedTuple):
    """What a good token says."""

    namespace: str
    name: str
    uid: str
    audiences: tuple[str, ...]
    expires: float
    credential_id: str
    bound: tuple[Bound, ...]
    secret: str = ""
    """The Secret that must hold the token, of one that has no end."""


class InvalidToken(Exception):
    """A token of ours that is no good; the message may be told."""


def user_name(namespace: str, name: str) -> str:
    """``system:serviceaccount:default:web``."""
    return f"{USER_PREFIX}{namespace}:{name}"


def account_groups(namespace: str) -> tuple[str, str]:
    """The groups every account of the namespace is in."""
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")


class SigningKey:
    """The key that signs tokens, made when there is none; the file is readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._private: RSAPrivateKey | None = None
        self._making = asyncio.Lock()

    @property
    def private(self) -> "RSAPrivateKey":
        """The key, loaded or made when it is first needed (making one takes a tenth of a second)."""
        if self._private is None:
            self._private = _load_or_make(self._path)
        return self._private

    async def prepare(self) -> None:
        """Load or make the key in a thread, so that nobody else waits for the arithmetic."""
        if self._private is None:
            async with self._making:
                if self._private is None:
                    self._private = await asyncio.to_thread(_load_or_make, self._path)

    def public_document(self) -> Json:
        """The public key as an entry of a JSON Web Key Set."""
        from jwt.algorithms import RSAAlgorithm

        document: Json = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**document, "use": "sig", "alg": ALGORITHM, "kid": self.identity}

    @property
    def identity(self) -> str:
        """A name for the key that follows from it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        der = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()[:32]


class TokenIssuer:
    """Issues and verifies tokens; an authenticator for those presented to this server.

    Args:
        issuer: who signs, as tokens and reviews name it.
        audiences: whom tokens are for that do not say otherwise; one presented here must be for one of them.
    """

    def __init__(
        self,
        key: SigningKey,
        clock: Clock,
        *,
        issuer: str = ISSUER,
        audiences: Sequence[str] = (ISSUER,),
    ) -> None:
        self.issuer = issuer
        self.audiences = tuple(audiences)
        self._key = key
        self._now = clock.now
        self._lookup: Lookup = _nothing
        self._known: OrderedDict[str, Verified] = OrderedDict()
        self._used: Used | None = None
        self._day = -1.0
        self._days: tuple[str, ...] = ()

    @classmethod
    def open(cls, key_file: Path, clock: Clock) -> "TokenIssuer":
        """With the key in that file, which is made when the first token is asked for."""
        return cls(SigningKey(key_file), clock)

    def look_up_with(self, lookup: Lookup) -> None:
        """Say where accounts and Pods are found; until then no token is good."""
        self._lookup = lookup

    def tell_of_uses(self, used: Used) -> None:
        """Call ``used`` when a token without end is used of whose Secret no label says so for today."""
        self._used = used

    async def prepare(self) -> None:
        """Have the key ready; to be awaited before ``issue`` and ``key_set`` where others share the loop."""
        await self._key.prepare()

    def key_set(self) -> Json:
        """The keys by which others may verify tokens: a JSON Web Key Set."""
        return {"keys": [self._key.public_document()]}

    def issue(
        self, account: Json, audiences: Sequence[str], seconds: float, bound: Sequence[Bound] = ()
    ) -> Issued:
        """Sign a token for an account.

        Args:
            audiences: whom it is for; none means this server.
            bound: objects it dies with.
        """
        import jwt

        metadata, now = account["metadata"], self._now()
        claims: Json = {
            "aud": list(audiences or self.audiences),
            "exp": int(now + seconds),
            "iat": int(now),
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "nbf": int(now),
            "sub": user_name(metadata["namespace"], metadata["name"]),
            CLAIM: {
                "namespace": metadata["namespace"],
                "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
                **{entry.kind: {"name": entry.name, "uid": entry.uid} for entry in bound},
            },
        }
        token = jwt.encode(claims, self._key.private, ALGORITHM, headers={"kid": self._key.identity})
        return Issued(token, now + seconds)

    async def issue_for_secret(self, account: Json, secret: str) -> str:
        """Sign a token without end, good as long as the Secret of that name holds it."""
        import jwt

        await self.prepare()
        metadata = account["metadata"]
        claims: Json = {
            "iss": OLD_ISSUER,
            f"{OLD_CLAIM}namespace": metadata["namespace"],
            f"{OLD_CLAIM}secret.name": secret,
            f"{OLD_CLAIM}service-account.name": metadata["name"],
            f"{OLD_CLAIM}service-account.uid": metadata["uid"],
            "sub": user_name(metadata["namespace"], metadata["name"]),
        }
        return jwt.encode(claims, self._key.private, ALGORITHM, headers={"kid": self._key.identity})

    def authenticate(self, credentials: Credentials) -> User | None:
        """The account whose token it is; None for anything that is no token of ours.

        Raises:
            Unauthorized: it is one of ours, and no good here and now.
        """
        token = credentials.bearer_token
        if token is None or token.count(".") != 2:
            return None
        try:
            return self.user_of(self.verify(token, self.audiences))
        except InvalidToken as error:
            raise Unauthorized("Unauthorized") from error

    def verify(self, token: str, audiences: Sequence[str]) -> Verified:
        """Check signature, time, audience, and that everything the token is bound to exists.

        Raises:
            InvalidToken: it is no good.
        """
        verified = self._known.get(token) or self._read(token)
        if verified.expires + LEEWAY_SECONDS < self._now():
            self._known.pop(token, None)
            raise InvalidToken("service account token has expired")
        if not set(audiences) & set(verified.audiences):
            raise InvalidToken(
                f"token audiences {_go_list(verified.audiences)} is invalid for the target audiences "
                f"{_go_list(audiences)}"
            )
        if verified.secret:
            self._check_secret(verified, token)
        self._check_alive(verified)
        return verified

    def user_of(self, verified: Verified) -> User:
        """The user that a good token stands for."""
        extra = {CREDENTIAL_ID: (f"JTI={verified.credential_id}",)} if verified.credential_id else {}
        for entry in verified.bound:
            if entry.kind in ("pod", "node"):
                extra[f"authentication.kubernetes.io/{entry.kind}-name"] = (entry.name,)
                extra[f"authentication.kubernetes.io/{entry.kind}-uid"] = (entry.uid,)
        name = user_name(verified.namespace, verified.name)
        return User(name, verified.uid, account_groups(verified.namespace), extra)

    def _read(self, token: str) -> Verified:
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.private.public_key(),
                [ALGORITHM],
                # Time is ours to judge, because it comes from the clock; the audience depends on who asks.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
            )
            if claims.get("iss") == OLD_ISSUER:
                verified = _verified_old(claims, self.audiences)
            elif claims.get("iss") == self.issuer:
                verified = _verified(claims)
            else:
                raise InvalidToken("invalid bearer token")
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise InvalidToken("invalid bearer token") from error
        self._known[token] = verified
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return verified

    def _check_alive(self, verified: Verified) -> None:
        account = self._lookup("serviceaccounts", ObjectKey(verified.namespace, verified.name))
        if account is None or account["metadata"]["uid"] != verified.uid:
            raise InvalidToken("service account token has been invalidated")
        for entry in verified.bound:
            namespace = "" if entry.kind == "node" else verified.namespace
            obj = self._lookup(f"{entry.kind}s", ObjectKey(namespace, entry.name))
            if obj is None or obj["metadata"]["uid"] != entry.uid:
                raise InvalidToken("service account token has been invalidated")

    def _check_secret(self, verified: Verified, token: str) -> None:
        key = ObjectKey(verified.namespace, verified.secret)
        secret = self._lookup("secrets", key)
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            raise InvalidToken("Token has been invalidated")
        held = (secret.get("data") or {}).get("token") or ""
        if not hmac.compare_digest(held.encode(), base64.b64encode(token.encode())):
            raise InvalidToken("Token does not match server's copy")
        labels = secret["metadata"].get("labels") or {}
        if labels.get(INVALID_SINCE):
            raise InvalidToken(
                f"the token in secret {key} for service account {verified.namespace}/{verified.name} has "
                "been marked invalid. Use tokens from the TokenRequest API or manually created secret-based "
                f"tokens, or remove the '{INVALID_SINCE}' label from the secret to temporarily allow use of "
                "this token"
            )
        if self._used is not None and labels.get(LAST_USED) not in self._near_days():
            self._used(key, secret["metadata"]["uid"])

    def _near_days(self) -> tuple[str, ...]:
        """Today and, for those whose clock is a little ahead, tomorrow."""
        now = self._now()
        day = now // SECONDS_OF_DAY
        if day != self._day:
            self._day, self._days = day, (day_of(now), day_of(now + SECONDS_OF_DAY))
        return self._days


def _nothing(_plural: str, _key: ObjectKey) -> Json | None:
    return None


def _verified(claims: Json) -> Verified:
    ours = claims[CLAIM]
    account = ours["serviceaccount"]
    audiences = claims["aud"]
    return Verified(
        namespace=ours["namespace"],
        name=account["name"],
        uid=account["uid"],
        audiences=(audiences,) if isinstance(audiences, str) else tuple(audiences),
        expires=float(claims["exp"]),
        credential_id=claims.get("jti", ""),
        bound=tuple(
            Bound(kind, ours[kind]["name"], ours[kind]["uid"])
            for kind in ("pod", "secret", "node")
            if kind in ours
        ),
    )


def _verified_old(claims: Json, audiences: tuple[str, ...]) -> Verified:
    namespace, name = claims[f"{OLD_CLAIM}namespace"], claims[f"{OLD_CLAIM}service-account.name"]
    uid, secret = claims[f"{OLD_CLAIM}service-account.uid"], claims[f"{OLD_CLAIM}secret.name"]
    if not secret or claims["sub"] != user_name(namespace, name):
        raise InvalidToken("invalid bearer token")
    return Verified(namespace, name, uid, audiences, math.inf, "", (), secret)


def _go_list(texts: Sequence[str]) -> str:
    return "[" + " ".join(f'"{text}"' for text in texts) + "]"


def _load_or_make(path: Path) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    if path.exists():
        loaded = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ValueError(f"{path} holds no RSA key; remove it to have a new one made")
        return loaded
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key
