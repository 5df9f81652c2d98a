"""``kube-lite up``: run a cluster until stopped, in the foreground or detached."""

import argparse
import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from kube_lite import __version__
from kube_lite.cluster import runfile
from kube_lite.cluster.config import (
    NAMES,
    Config,
    ConfigError,
    configure,
    default_data_dir,
    from_environment,
    from_file,
)

from .failure import Failure

if TYPE_CHECKING:
    from kube_lite.cluster.compose import Cluster

Result = TypeVar("Result")

READY_DESCRIPTOR = "KUBE_LITE_READY_FD"
LOG_FILE = "kube-lite.log"
LOG_LIMIT_BYTES = 10 << 20  # a detached cluster's log beyond this is put aside once, when the next one starts
GARBAGE = (10_000, 20, 50)  # objects, and younger collections, before the next; a Pod alone has a hundred
STARTED_WITHIN = 60.0  # seconds; a detached cluster that is not ready by then has failed


def run(options: argparse.Namespace) -> int:
    """Start a cluster. Returns 0 after a clean stop."""
    config = config_of(options)
    assert config.data_dir is not None  # config_of sets it
    if options.detach:
        return start_detached(config.data_dir)
    from kube_lite.kit import logs

    logs.configure(config.log_level)
    try:
        return run_loop(serve(config))
    except* Exception as group:
        explain(leaf_of(group), config)


def config_of(options: argparse.Namespace) -> Config:
    """The settings of this command line: file, environment, arguments. Raises ``Failure``."""
    arguments = {name: getattr(options, name, None) for name in NAMES}
    try:
        return configure(
            {"data_dir": default_data_dir()},
            from_file(options.config) if getattr(options, "config", None) else {},
            from_environment(os.environ),
            {name: value for name, value in arguments.items() if value is not None},
        )
    except ConfigError as error:
        raise Failure(str(error)) from error


def data_dir_of(options: argparse.Namespace) -> Path:
    """The data directory that a command means: the option, the environment, or the default."""
    config = config_of(argparse.Namespace(data_dir=options.data_dir))
    assert config.data_dir is not None  # config_of sets it
    return config.data_dir.resolve()


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """``asyncio.run`` on uvloop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def serve(config: Config) -> int:
    """Run the cluster until the first signal; a second one leaves at once."""
    began = time.monotonic()
    gc.disable()  # nothing of what start-up makes is garbage
    from kube_lite.cluster.compose import Cluster

    say = printer()
    say(f"kube-lite {__version__}, Kubernetes {config.kubernetes_version}, data in {config.data_dir}")
    stop = asyncio.Event()
    catch_signals(stop)
    async with Cluster(config, on_part=lambda *part: say(part_line(*part))) as cluster:
        gc.freeze()  # what start-up made stays; the collector need not walk it again
        gc.set_threshold(*GARBAGE)
        gc.enable()
        say(welcome(cluster, time.monotonic() - began))
        tell_parent({"ready": welcome(cluster, time.monotonic() - began)})
        await stop.wait()
        say("Stopping; a second signal stops at once.")
    say("Stopped.")
    return 0


def printer() -> Callable[[str], None]:
    """Print a line, unless nobody reads any more."""

    def say(line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - it replaces stdout for good

    return say


def catch_signals(stop: asyncio.Event) -> None:
    """SIGINT and SIGTERM ask for a clean stop; asked twice, the process ends there and then."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)


def part_line(name: str, words: str, seconds: float) -> str:
    """One line per part: ``  scheduler     ready    3 ms``."""
    return f"  {name:<12} ready {seconds * 1000:5.0f} ms   {words}".rstrip()


def welcome(cluster: "Cluster", seconds: float) -> str:
    """What to know and try, once everything is ready."""
    lines = [f"Ready after {seconds:.2f} s. The API listens at {cluster.url}", ""]
    lines += [f"  export KUBECONFIG={cluster.kubeconfig}", "  kubectl get nodes"]
    example = Path("conformance/examples/web.yaml")
    if "node" in cluster.config.parts:
        if example.exists():
            lines += [f"  kubectl apply -f {example}", "  kubectl rollout status deployment/web"]
        else:
            lines.append("  kubectl run shell --image=localhost/host -it --rm -- sh")
    return "\n".join([*lines, "", "Ctrl-C stops it; what is stored stays for the next start."])


def start_detached(data_dir: Path) -> int:
    """Start the same command in a session of its own, wait until it is ready, and tell how it went."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = open_log(data_dir / LOG_FILE)
    reader, writer = os.pipe()
    arguments = [word for word in sys.argv[1:] if word != "--detach"]
    with os.fdopen(reader) as answers:
        child = subprocess.Popen(
            [sys.executable, "-m", "kube_lite", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(writer,),
            env={**os.environ, READY_DESCRIPTOR: str(writer)},
        )
        os.close(writer)
        os.close(log)
        answer = answers.readline()
    if not answer:
        code = child.wait(STARTED_WITHIN)
        raise Failure(f"the cluster ended while it started (exit code {code}); see {data_dir / LOG_FILE}")
    told = json.loads(answer)
    if "failure" in told:
        child.wait(STARTED_WITHIN)
        raise Failure(told["failure"])
    print(told["ready"].replace("Ctrl-C stops it", "kube-lite down stops it"))
    return 0


def open_log(path: Path) -> int:
    """The log of a detached cluster, 0600, opened to append."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.old"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def tell_parent(answer: dict[str, str]) -> None:
    """Tell the one who started us detached, if somebody did, and let go of the pipe."""
    descriptor = os.environ.pop(READY_DESCRIPTOR, None)
    if descriptor is not None:
        with os.fdopen(int(descriptor), "w") as pipe:
            pipe.write(json.dumps(answer) + "\n")


def leaf_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first plain exception inside."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def explain(error: BaseException, config: Config) -> NoReturn:
    """Turn what start-up raises into one line with a way out; what nobody expected keeps its traceback."""
    line = way_out(error, config)
    tell_parent({"failure": line or f"{type(error).__name__}: {error}"})
    if line is None:
        raise error
    raise Failure(line) from error


def way_out(error: BaseException, config: Config) -> str | None:
    """The line for the failures a user can do something about."""
    from kube_lite.cluster.addresses import AddressesTaken
    from kube_lite.cluster.compose import STORE_FAILURES, CannotListen, StoreLocked

    data_dir = config.data_dir
    if isinstance(error, StoreLocked) and data_dir:
        holder = runfile.read(data_dir)
        who = f"process {holder.pid}" if holder and runfile.is_alive(holder) else "another process"
        return (
            f"{data_dir} is in use by {who}; stop it with 'kube-lite down --data-dir {data_dir}', "
            "or choose another --data-dir"
        )
    if isinstance(error, STORE_FAILURES):
        return f"{data_dir}: {error}"
    if isinstance(error, CannotListen):
        return f"{error}; choose another --listen, port 0 takes a free one"
    if isinstance(error, AddressesTaken | ConfigError):
        return str(error)
    if isinstance(error, PermissionError):
        return f"no permission for {error.filename or data_dir}; choose another --data-dir"
    return None
