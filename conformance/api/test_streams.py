"""Logs, commands in containers, and watches over WebSocket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from websocket import ABNF, WebSocket, WebSocketBadStatusException, create_connection

from conformance.api.objects import config_map, pod, refusal
from conformance.conftest import Running
from conformance.http import Api, Json, Server
from conformance.kubectl import eventually

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


@pytest.fixture
def talker(api: Api, running: Running) -> Api:
    return api.at(f"/api/v1/namespaces/{running.namespace}/pods/{running.name}")


@contextmanager
def socket(server: Server, path: str, query: list[tuple[str, str]], *protocols: str) -> Iterator[WebSocket]:
    connection = create_connection(
        f"wss://{server.host}:{server.port}{path}?{urlencode(query)}",
        sslopt={"context": server.context},
        subprotocols=list(protocols) or None,
        header=[f"Authorization: Bearer {server.token}"] if server.token else [],
        timeout=20,
    )
    try:
        yield connection
    finally:
        connection.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def command(place: Api, *words: str, protocol: str = V5, **streams: str) -> Iterator[WebSocket]:
    query = [*(("command", word) for word in words), *streams.items()]
    with socket(place.server, f"{place.path}/exec", query, protocol) as connection:
        assert connection.getsubprotocol() == protocol
        yield connection


def said(connection: WebSocket) -> tuple[dict[int, bytes], Json]:
    """Everything on each channel until the end, and the status on the last."""
    channels: dict[int, bytes] = {}
    while True:
        opcode, message = connection.recv_data()
        if opcode == ABNF.OPCODE_CLOSE:
            break
        channels[message[0]] = channels.get(message[0], b"") + message[1:]
    status = json.loads(channels.pop(ERROR))
    return {number: text for number, text in channels.items() if text}, status


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param({}, "first\nsecond\n", id="all"),
        pytest.param({"tailLines": 1}, "second\n", id="tail"),
        pytest.param({"tailLines": 0}, "", id="no tail"),
        pytest.param({"limitBytes": 8}, "first\nse", id="bytes"),
        pytest.param({"sinceTime": "2100-01-01T00:00:00Z"}, "", id="future"),
        pytest.param({"sinceTime": "2000-01-01T00:00:00Z"}, "first\nsecond\n", id="past"),
        pytest.param({"container": "main"}, "first\nsecond\n", id="by name"),
    ],
)
def test_a_log_is_shown_in_part_or_whole(talker: Api, query: dict[str, str], text: str) -> None:
    answer = talker.get("log", query=query)
    assert (answer.status, answer.media_type) == (200, "text/plain")
    assert answer.text == text


def test_lines_of_a_log_carry_their_times(talker: Api) -> None:
    lines = talker.get("log", query={"timestamps": "true"}).text.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["first", "second"]
    assert all(line.startswith("20") and "T" in line.split()[0] for line in lines)


def test_a_followed_log_ends_with_its_container(pods: Api) -> None:
    pods.post(pod("a", "sh", "-c", "echo one; read x < /dev/null; echo two", restartPolicy="Never"))

    def has_begun() -> None:
        assert pods.get("a").body["status"]["phase"] in ("Running", "Succeeded")

    eventually(has_begun)
    assert pods.get("a/log", query={"follow": "true"}).text == "one\ntwo\n"

    def has_ended() -> None:
        assert pods.get("a").body["status"]["phase"] == "Succeeded"

    eventually(has_ended)
    assert pods.get("a/log").text == "one\ntwo\n"
    pods.delete("a")


@pytest.mark.parametrize(
    ("path", "query", "told"),
    [
        pytest.param("log", {"container": "none"}, (400, "BadRequest"), id="unknown container"),
        pytest.param("log", {"tailLines": -1}, (422, "Invalid"), id="negative tail"),
        pytest.param("log", {"previous": "true"}, (400, "BadRequest"), id="no previous run"),
        pytest.param("exec", {"command": "true", "stdout": "1"}, (400, ""), id="no upgrade"),
        pytest.param(
            "exec",
            {"command": "true", "stdout": "1", "container": "none"},
            (400, "BadRequest"),
            id="exec nowhere",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(
    talker: Api, path: str, query: dict[str, str], told: tuple[int, str]
) -> None:
    code, reason = refusal(talker.get(path, query=query))
    assert (code, told[1] and reason) == told


def test_there_is_no_log_of_what_is_not_there(pods: Api) -> None:
    assert refusal(pods.get("none/log")) == (404, "NotFound")


@pytest.mark.parametrize("protocol", [V4, V5])
def test_a_command_writes_to_two_streams_and_succeeds(talker: Api, protocol: str) -> None:
    words = ("sh", "-c", "echo out; echo trouble >&2")
    with command(talker, *words, protocol=protocol, stdout="true", stderr="true") as connection:
        channels, status = said(connection)
    assert channels == {STDOUT: b"out\n", STDERR: b"trouble\n"}
    assert status == {"metadata": {}, "status": "Success"}


def test_a_command_that_fails_says_how(talker: Api) -> None:
    with command(talker, "sh", "-c", "exit 7", stdout="true") as connection:
        _, status = said(connection)
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    assert status["message"].startswith("command terminated with non-zero exit code")


def test_a_command_that_is_not_there_fails(talker: Api) -> None:
    with command(talker, "/no/such/program", stdout="true", stderr="true") as connection:
        _, status = said(connection)
    assert status["status"] == "Failure"


def test_input_is_read_to_its_end(talker: Api) -> None:
    """The end of the input is a message of its own since v5."""
    with command(talker, "wc", "-c", stdin="true", stdout="true") as connection:
        for _ in range(4):
            connection.send_binary(bytes([STDIN]) + b"x" * 50_000)
        connection.send_binary(bytes([CLOSE, STDIN]))
        channels, status = said(connection)
    assert channels[STDOUT].split() == [b"200000"]
    assert status["status"] == "Success"


def test_much_output_arrives_whole(talker: Api) -> None:
    with command(talker, "head", "-c", "3000000", "/dev/zero", stdout="true") as connection:
        channels, status = said(connection)
    assert len(channels[STDOUT]) == 3_000_000
    assert status["status"] == "Success"


def test_a_terminal_has_a_size(talker: Api) -> None:
    words = ("sh", "-c", "read line; stty size")
    with command(talker, *words, stdin="true", stdout="true", tty="true") as connection:
        connection.send_binary(bytes([RESIZE]) + b'{"Width": 100, "Height": 40}')
        connection.send_binary(bytes([STDIN]) + b"go\n")
        channels, _ = said(connection)
    assert b"40 100\r\n" in channels[STDOUT]


def test_a_client_that_leaves_takes_its_command_along(talker: Api) -> None:
    mark = "611.2748"
    with command(talker, "sleep", mark, stdin="true", stdout="true", tty="true"):
        pass

    def is_over() -> None:
        with command(
            talker, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", stdout="true"
        ) as connection:
            channels, _ = said(connection)
        assert f"sleep {mark}".encode() not in channels[STDOUT].replace(b"tr", b"")

    eventually(is_over)


def test_who_attaches_talks_to_the_process_itself(pods: Api) -> None:
    wanted = pod("a", "sh", "-c", "while read line; do echo heard $line; done", restartPolicy="Never")
    wanted["spec"]["containers"][0] |= {"stdin": True, "stdinOnce": True}
    pods.post(wanted)

    def is_running() -> None:
        assert pods.get("a").body["status"]["phase"] == "Running"

    eventually(is_running)
    place = pods.at("a")
    query = [("stdin", "true"), ("stdout", "true")]
    with socket(place.server, f"{place.path}/attach", query, V5) as connection:
        connection.send_binary(bytes([STDIN]) + b"a word\n")
        channels: dict[int, bytes] = {}
        while STDOUT not in channels or not channels[STDOUT].endswith(b"\n"):
            _, message = connection.recv_data()
            channels[message[0]] = channels.get(message[0], b"") + message[1:]
    assert channels[STDOUT] == b"heard a word\n"
    assert pods.get("a/log").text == "heard a word\n"
    pods.delete("a")


def test_an_unknown_protocol_is_refused(talker: Api) -> None:
    path, query = f"{talker.path}/exec", [("command", "true"), ("stdout", "true")]
    with (
        pytest.raises(WebSocketBadStatusException) as refused,
        socket(talker.server, path, query, "v9.channel.k8s.io"),
    ):
        pass
    assert 400 <= refused.value.status_code < 500 or refused.value.status_code == 101


def test_a_watch_comes_over_websocket_as_well(server: Server, maps: Api) -> None:
    made = maps.post(config_map("a")).body
    query = [("watch", "true"), ("fieldSelector", "metadata.name=a")]
    with socket(server, maps.path, query) as connection:
        assert json.loads(connection.recv()) == {"type": "ADDED", "object": made}
        maps.delete("a")
        assert json.loads(connection.recv())["type"] == "DELETED"
