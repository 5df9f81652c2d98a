"""The layers of kube_lite/README.md, executed: imports point down."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
GENERATED = {"proto", "schemas"}
SOURCES = [
    path
    for pattern in (
        "kube_lite/**/*.py",
        "storage/kube_lite_storage/**/*.py",
        "runtime/kube_lite_runtime/**/*.py",
    )
    for path in sorted(ROOT.glob(pattern))
    if not GENERATED & set(path.parts)
]

# Left: a package. Right: the packages of ours it may import, besides itself.
MAY_IMPORT = {
    left.strip(): set(right.split())
    for left, right in (
        line.split(":")
        for line in """
            kube_lite_storage :
            kube_lite_runtime :
            kit               :
            api               : kit
            client            : kit api
            kinds             : kit api
            registry          : kit api kinds kube_lite_storage
            auth              : kit api registry
            admission         : kit api registry auth
            verbs             : kit api client kinds registry auth admission
            http              : kit api auth verbs
            controllers       : kit api client
            scheduler         : kit api client
            addons            : kit api client
            vendors           : kit api client
            agent             : kit api client kube_lite_runtime
            cluster           : kube_lite kit api client kinds registry auth admission verbs http controllers scheduler addons vendors agent kube_lite_storage kube_lite_runtime
            cli               : kube_lite kit api client cluster
            pytest_plugin     : kit client cluster
            __init__          : cluster
            __main__          : cli
        """.strip().splitlines()  # noqa: E501 - a table reads best as one
    )
}


def package_of(module: str) -> str:
    """``kube_lite.api.patch.merge`` → ``api``; ``kube_lite_storage.mvcc`` → ``kube_lite_storage``."""
    first, *rest = module.split(".")
    return rest[0] if first == "kube_lite" and rest else first


def imported(tree: ast.AST, module: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that ``module`` imports; relative names are resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            yield node.lineno, ".".join([*above, *([node.module] if node.module else [])])


def is_ours(module: str) -> bool:
    first = module.split(".")[0]
    return first in {"kube_lite", "kube_lite_storage", "kube_lite_runtime", "storage", "runtime"}


def test_imports_point_down() -> None:
    wrong = []
    for path in SOURCES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[1:] if parts[0] in {"storage", "runtime"} else parts)
        package = package_of(name)
        allowed = {package} | MAY_IMPORT.get(package, set())
        for line, module in imported(ast.parse(path.read_text()), name):
            if is_ours(module) and package_of(module) not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {package} may not import {module}")
    assert not wrong, "\n".join(wrong)


def test_the_conformance_suite_imports_nothing_of_ours() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in sorted((ROOT / "conformance").glob("**/*.py"))
        for line, module in imported(ast.parse(path.read_text()), path.stem)
        if is_ours(module)
    ]
    assert not wrong, "\n".join(wrong)
