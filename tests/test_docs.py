"""What the READMEs promise is there, and what is there stands in a README."""

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from kube_lite.cli.main import parser
from kube_lite.cluster.config import Config, camel

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CODE = re.compile(r"```(\w+)\n(.*?)```", re.S)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Config)])
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{camel(name)}`" in README
    assert f"--{name.replace('_', '-')} " in README


def test_every_option_of_up_is_documented() -> None:
    help_of_up = next(
        action.choices["up"].format_help() for action in parser()._actions if isinstance(action.choices, dict)
    )
    options = set(re.findall(r"(--[a-z-]+)", help_of_up)) - {"--help"}
    assert {option for option in options if option not in README} == set()


async def test_the_python_blocks_run() -> None:
    names: dict[str, object] = {}
    for language, body in CODE.findall(README):
        if language == "python":
            exec(compile(ast.parse(body), "README.md", "exec"), names)
    assert "kube-system" in await names["names"]()  # type: ignore[operator]
    assert await names["busy"]() == 1  # type: ignore[operator]


@pytest.mark.parametrize("folder", ["storage", "runtime", "kube_lite"])
def test_every_file_that_a_readme_names_exists(folder: str) -> None:
    text = README + (ROOT / folder / "README.md").read_text()
    bases = [ROOT, ROOT / "kube_lite", ROOT / folder, *ROOT.glob(f"{folder}/kube_lite_*")]
    named = set(re.findall(r"`([\w/]+/?\w+\.(?:py|yaml))`", text))
    assert {name for name in named if not any((base / name).exists() for base in bases)} == set()
