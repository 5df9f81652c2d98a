"""Plain requests to the API of a target: the standard library and the credentials of a kubeconfig.

An ``Api`` is a place under which requests are made; ``api.at("/api/v1/namespaces/x")`` is another place on
the same connection. Every answer is handed over as it came: whether it is right is for the tests to say.
"""

import base64
import http.client
import json
import ssl
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

Json = Any
Query = Mapping[str, str | int] | Iterable[tuple[str, str | int]]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def body(self) -> Json:
        return json.loads(self.content)

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "")

    def __repr__(self) -> str:
        return f"{self.status} {self.media_type}: {self.content[:600]!r}"


@dataclass(frozen=True)
class Server:
    """Where the target listens and how to be let in."""

    host: str
    port: int
    context: ssl.SSLContext
    token: str | None = None

    def connect(self, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.context)

    def anonymous(self, token: str | None = None) -> "Server":
        """The same server for somebody without a certificate, with ``token`` if one is given."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return Server(self.host, self.port, context, token)


def server_of(kubeconfig: Path) -> Server:
    """The server of the current context, with its user's certificate or token."""
    config = yaml.safe_load(kubeconfig.read_text())
    context = next(
        each["context"] for each in config["contexts"] if each["name"] == config["current-context"]
    )
    cluster = next(each["cluster"] for each in config["clusters"] if each["name"] == context["cluster"])
    user = next(each["user"] for each in config["users"] if each["name"] == context["user"])
    secured = ssl.create_default_context(cadata=_material(cluster, "certificate-authority"))
    if certificate := _material(user, "client-certificate"):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(f"{certificate}\n{_material(user, 'client-key')}")
            file.flush()
            secured.load_cert_chain(file.name)
    address = urlsplit(cluster["server"])
    return Server(address.hostname or "", address.port or 443, secured, user.get("token"))


def _material(holder: Mapping[str, str], name: str) -> str | None:
    if inline := holder.get(f"{name}-data"):
        return base64.b64decode(inline).decode()
    return Path(holder[name]).read_text() if name in holder else None


class Api:
    """Requests below one path, over one kept connection per thread."""

    def __init__(self, server: Server, path: str = "", *, timeout: float = 20) -> None:
        self.server = server
        self.path = path
        self.timeout = timeout
        self._kept = threading.local()

    def at(self, path: str) -> "Api":
        """A place below this one; from the root if ``path`` begins with a slash."""
        deeper = Api(self.server, self._url(path), timeout=self.timeout)
        deeper._kept = self._kept
        return deeper

    def get(self, path: str = "", **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, body: Json, path: str = "", **options: Any) -> Answer:
        return self.request("POST", path, body=body, **options)

    def put(self, body: Json, path: str = "", **options: Any) -> Answer:
        return self.request("PUT", path, body=body, **options)

    def delete(self, path: str = "", body: Json = None, **options: Any) -> Answer:
        return self.request("DELETE", path, body=body, **options)

    def patch(self, body: Json, path: str = "", kind: str = MERGE_PATCH, **options: Any) -> Answer:
        return self.request("PATCH", path, body=body, content_type=kind, **options)

    def request(
        self,
        method: str,
        path: str = "",
        *,
        body: Json = None,
        raw: bytes | None = None,
        content_type: str = "application/json",
        query: Query = (),
        headers: Mapping[str, str] = {},
    ) -> Answer:
        """One request and its answer; ``raw`` is sent as it stands, ``body`` as JSON."""
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        sent = {"Accept": "application/json", **self._login()}
        if content is not None:
            sent["Content-Type"] = content_type
        sent.update(headers)
        url = self._url(path) + _query(query)
        kept: http.client.HTTPSConnection | None = vars(self._kept).pop("connection", None)
        if kept is not None:
            try:
                answer = _ask(kept, method, url, content, sent)
            except (http.client.RemoteDisconnected, ConnectionError):
                kept = None  # a server may end what it has kept: ask once more on a new one
        if kept is None:
            kept = self.server.connect(self.timeout)
            answer = _ask(kept, method, url, content, sent)
        self._kept.connection = kept
        return answer

    @contextmanager
    def watch(self, path: str = "", *, query: Query = (), **headers: str) -> Iterator["Watching"]:
        """A watch with its own connection; ``headers`` as keywords (``Accept="..."``)."""
        connection = self.server.connect(self.timeout)
        url = self._url(path) + _query(
            [("watch", "true"), *(query.items() if isinstance(query, Mapping) else query)]
        )
        try:
            connection.request("GET", url, headers={"Accept": "application/json", **self._login(), **headers})
            yield Watching(connection.getresponse())
        finally:
            connection.close()

    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.server.token}"} if self.server.token else {}

    def _url(self, path: str) -> str:
        if path.startswith("/"):
            return path
        return f"{self.path}/{path}" if path else self.path

    def close(self) -> None:
        """End this thread's connection."""
        if kept := vars(self._kept).pop("connection", None):
            kept.close()


class Watching:
    """The events of a watch as they come."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response

    def next(self) -> tuple[str, Json]:
        """The next event; waits for it as long as the connection may."""
        line = self.response.readline()
        assert line, "the watch ended"
        event = json.loads(line)
        return event["type"], event["object"]

    def names(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next ``count`` events."""
        return [(kind, item["metadata"]["name"]) for kind, item in (self.next() for _ in range(count))]

    def until(self, kind: str) -> tuple[list[tuple[str, Json]], Json]:
        """The events before the next one of this type, and that one's object."""
        before = []
        while (event := self.next())[0] != kind:
            before.append(event)
        return before, event[1]

    def rest(self) -> list[tuple[str, Json]]:
        """All events until the server ends the watch."""
        lines = (json.loads(line) for line in self.response)
        return [(event["type"], event["object"]) for event in lines]


def _ask(
    connection: http.client.HTTPSConnection,
    method: str,
    url: str,
    content: bytes | None,
    headers: Mapping[str, str],
) -> Answer:
    try:
        connection.request(method, url, content, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    except BaseException:
        connection.close()
        raise


def _pairs(query: Query) -> list[tuple[str, str | int]]:
    return list(query.items() if isinstance(query, Mapping) else query)


def _query(query: Query) -> str:
    pairs = _pairs(query)
    return f"?{urlencode(pairs)}" if pairs else ""
