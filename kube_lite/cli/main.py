"""The command line: arguments → command.

Every command is a module with a ``run(options) -> int``, imported when it is asked for.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from kube_lite.cluster.config import FEATURES, RELEASES, RUNTIMES

from .failure import Failure


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line that says where help is."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with 2."""
        self.exit(2, f"kube-lite: {message} (see '{self.prog} --help')\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line. Returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    options = parser(command_in(words)).parse_args(words)
    if options.module is None:
        parser().print_help()
        return 2
    try:
        code: int = importlib.import_module(f"kube_lite.cli.{options.module}").run(options)
    except Failure as failure:
        print(f"kube-lite: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    return code


def command_in(words: Sequence[str]) -> str:
    """The command of a command line; empty where that is not plain to see."""
    rest = iter(words)
    for word in rest:
        if word != "--data-dir":
            return word if word in COMMANDS else ""
        next(rest, None)
    return ""


def parser(command: str = "") -> Parser:
    """The grammar. ``--data-dir`` may stand before or after the command.

    Args:
        command: whose grammar will do; that of all takes longer to put together than the rest of a start's
            command line.
    """
    root = Parser(prog="kube-lite", description="A Kubernetes cluster in one process, on this machine.")
    root.add_argument("--data-dir", type=Path, metavar="DIR", default=None, help=DATA_DIR_HELP)
    root.set_defaults(module=None)
    common = Parser(add_help=False)
    common.add_argument("--data-dir", type=Path, metavar="DIR", default=argparse.SUPPRESS, help=DATA_DIR_HELP)
    commands = root.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    for name, add in COMMANDS.items():
        if not command or name == command:
            add(commands, common)
    return root


def add_up_command(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite up``."""
    up = commands.add_parser("up", parents=[common], help="start a cluster, in the foreground until Ctrl-C")
    up.set_defaults(module="serve")
    up.add_argument(
        "--listen", metavar="HOST:PORT", help="where the API listens; port 0 picks one (127.0.0.1:6443)"
    )
    up.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="where the kubeconfig is written (in the data directory)",
    )
    up.add_argument(
        "--kubernetes-version",
        metavar="X.Y",
        help=f"the release to be, {RELEASES[0]} to {RELEASES[-1]} (1.36)",
    )
    up.add_argument("--git-version", metavar="V", help="what /version calls the release (vX.Y.0+kube-lite)")
    up.add_argument(
        "--tls-san", metavar="NAME,...", help="further names and addresses of the API's certificate (none)"
    )
    up.add_argument(
        "--legacy-apis",
        choices=("on", "off"),
        help="also serve the API versions of 1.12 to 1.22 that later releases removed (on)",
    )
    up.add_argument(
        "--feature-gates",
        metavar="NAME=BOOL,...",
        help=f"what is off unless asked for: {', '.join(FEATURES)} (none)",
    )
    up.add_argument("--runtime", choices=RUNTIMES, help="how Pods run (auto: the best this host allows)")
    up.add_argument("--node-name", metavar="N", help="name of the node (the host's name)")
    up.add_argument("--nodes", metavar="N", help="how many nodes this host is: NAME, NAME-2, NAME-3 ... (1)")
    up.add_argument("--parts", metavar="LIST", help="all, or some of api,controllers,scheduler,node (all)")
    up.add_argument(
        "--service-cidr", metavar="CIDR", help="addresses of Services (10.96.0.0/16, or the next free one)"
    )
    up.add_argument(
        "--pod-cidr", metavar="CIDR", help="addresses of Pods (10.244.0.0/24, or the next free one)"
    )
    up.add_argument(
        "--cluster-domain", metavar="DOMAIN", help="the end of every name in the cluster (cluster.local)"
    )
    up.add_argument(
        "--durable",
        metavar="BOOL",
        help="false: acknowledge writes before they are on the disk; for tests (true)",
    )
    up.add_argument(
        "--encryption-config",
        "--encryption-provider-config",
        type=Path,
        metavar="FILE",
        help="an EncryptionConfiguration: what is encrypted in the store (Secrets, with keys made here)",
    )
    up.add_argument(
        "--scheduler-config",
        type=Path,
        metavar="FILE",
        help="a KubeSchedulerConfiguration: profiles, weights, figures (the default profile)",
    )
    up.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), help="how much is logged (warning)"
    )
    up.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file with any of these settings, in camel case"
    )
    up.add_argument("--detach", action="store_true", help="start in the background and return when ready")


def add_control_command(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite control``."""
    control = commands.add_parser(
        "control", help="run the controllers and the scheduler for a cluster whose API server is another's"
    )
    control.set_defaults(module="control")
    control.add_argument("kubeconfig", type=Path, metavar="KUBECONFIG", help="of one who may do everything")
    control.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig (the current one)")
    control.add_argument(
        "--parts", default="controllers,scheduler", metavar="LIST", help="controllers,scheduler or one (both)"
    )
    control.add_argument(
        "--scheduler-config", type=Path, metavar="FILE", help="as of 'up' (the default profile)"
    )
    control.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="warning", help="as of 'up'"
    )


def add_down_command(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite down``."""
    down = commands.add_parser(
        "down", parents=[common], help="stop the cluster, and clean up after one that died"
    )
    down.set_defaults(module="down")


def add_status_command(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite status``."""
    status = commands.add_parser(
        "status", parents=[common], help="what runs, where, and what this host allows"
    )
    status.set_defaults(module="status")


def add_kubeconfig_command(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite kubeconfig``."""
    kubeconfig = commands.add_parser(
        "kubeconfig", parents=[common], help="print the kubeconfig, or merge it into your own"
    )
    kubeconfig.set_defaults(module="kubeconfig")
    kubeconfig.add_argument(
        "--merge", action="store_true", help="add it to $KUBECONFIG or ~/.kube/config and make it current"
    )


def add_image_commands(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite image import|list``."""
    image = commands.add_parser("image", help="images on this node")
    image.set_defaults(module="image", action=None)
    actions = image.add_subparsers(title="actions", metavar="ACTION", parser_class=Parser)
    load = actions.add_parser(
        "import", parents=[common], help="make an image of a directory or a tar archive of a root file system"
    )
    load.set_defaults(action="import")
    load.add_argument(
        "source", type=Path, metavar="PATH", help="a directory, or a .tar, .tar.gz, .tar.xz archive"
    )
    load.add_argument("names", nargs="+", metavar="NAME", help="what Pods call it, such as busybox:1.36")
    load.add_argument("--cmd", nargs="*", metavar="WORD", default=[], help="the default command")
    listing = actions.add_parser("list", parents=[common], help="which images are there")
    listing.set_defaults(action="list")


def add_node_commands(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite node add|remove|drain``."""
    node = commands.add_parser("node", help="nodes of a running cluster; those that are added do not exist")
    node.set_defaults(module="node", action=None)
    actions = node.add_subparsers(title="actions", metavar="ACTION", parser_class=Parser)
    add = actions.add_parser(
        "add", parents=[common], help="a node on which Pods run at once, without anything running"
    )
    add.set_defaults(action="add")
    add.add_argument("name", metavar="NAME", help="its name; with --count the beginning of the names")
    add.add_argument("--count", type=int, default=1, metavar="N", help="how many, NAME-0, NAME-1, … (1)")
    add.add_argument("--cpu", default="32", metavar="QUANTITY", help="what it has of processors (32)")
    add.add_argument("--memory", default="256Gi", metavar="QUANTITY", help="and of memory (256Gi)")
    add.add_argument("--pods", default="110", metavar="N", help="how many Pods it takes (110)")
    add.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    add.add_argument(
        "--taint", action="append", default=[], metavar="KEY=VALUE:EFFECT", help="may be repeated"
    )
    remove = actions.add_parser("remove", parents=[common], help="remove nodes that were added or are left")
    remove.set_defaults(action="remove")
    remove.add_argument("names", nargs="+", metavar="NAME")
    drain = actions.add_parser("drain", parents=[common], help="evict the Pods of a node, and let none come")
    drain.set_defaults(action="drain")
    drain.add_argument("name", metavar="NAME")
    drain.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long to try (60)")


def add_secrets_commands(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite secrets status|rotate|reencrypt``."""
    secrets = commands.add_parser("secrets", help="encryption of what is stored")
    secrets.set_defaults(module="secrets", action=None)
    actions = secrets.add_subparsers(title="actions", metavar="ACTION", parser_class=Parser)
    for action, words in (
        ("status", "what is encrypted, with which keys, and what is not yet"),
        ("rotate", "take a new key, and encrypt everything anew with it"),
        ("reencrypt", "read the encryption configuration again, and rewrite all that is not as it says"),
    ):
        actions.add_parser(action, parents=[common], help=words).set_defaults(action=action)


def add_snapshot_commands(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite snapshot save|restore|status``."""
    snapshot = commands.add_parser("snapshot", help="everything that is stored, in one file")
    snapshot.set_defaults(module="snapshot", action=None)
    actions = snapshot.add_subparsers(title="actions", metavar="ACTION", parser_class=Parser)
    for name, words in (
        ("save", "write a snapshot, also while the cluster runs"),
        ("restore", "make the store of a new data directory of a snapshot"),
        ("status", "what a snapshot holds, and whether it is what was written"),
    ):
        action = actions.add_parser(name, parents=[common], help=words)
        action.set_defaults(action=name)
        action.add_argument("file", type=Path, metavar="FILE", help="the snapshot")


def add_check_command(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite check``."""
    check = commands.add_parser(
        "check", parents=[common], help="verify what is stored, and say what is wrong"
    )
    check.set_defaults(module="check")
    check.add_argument("directory", type=Path, nargs="?", metavar="DIR", help="the data directory")


def add_version_command(commands: "argparse._SubParsersAction[Parser]", common: Parser) -> None:
    """``kube-lite version``."""
    version = commands.add_parser(
        "version", parents=[common], help="version of this program and of the API it serves"
    )
    version.set_defaults(module="version")


DATA_DIR_HELP = "where the cluster is kept (kube-lite in your state directory)"
COMMANDS = {
    "up": add_up_command,
    "control": add_control_command,
    "down": add_down_command,
    "status": add_status_command,
    "kubeconfig": add_kubeconfig_command,
    "image": add_image_commands,
    "node": add_node_commands,
    "secrets": add_secrets_commands,
    "snapshot": add_snapshot_commands,
    "check": add_check_command,
    "version": add_version_command,
}
"""Who adds the grammar of each, in the order of the help."""
