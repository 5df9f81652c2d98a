import subprocess
import sys


def run(program: str) -> str:
    """A fresh interpreter's output, because what is imported cannot be taken back."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_module_of_a_postponed_package_comes_without_the_rest() -> None:
    program = """
import sys
from kube_lite.kit.lazy_package import postpone
print(postpone("aiohttp"))
import aiohttp.web_server
print("aiohttp.client" in sys.modules)
"""
    assert run(program) == "True\nFalse"


def test_names_of_the_package_are_there_when_asked_for() -> None:
    program = """
from kube_lite.kit.lazy_package import postpone
postpone("aiohttp")
import aiohttp.web_server
from aiohttp import ClientSession, web
import aiohttp
print(aiohttp.ClientSession is ClientSession, web.Server is aiohttp.web_server.Server, type(aiohttp).__name__)
"""
    assert run(program) == "True True module"


def test_a_package_that_was_imported_before_is_left_alone() -> None:
    program = """
import aiohttp
from kube_lite.kit.lazy_package import postpone
print(postpone("aiohttp"), postpone("no_such_package"))
"""
    assert run(program) == "False False"
