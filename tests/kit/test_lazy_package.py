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


def test_a_postponed_module_runs_when_it_is_asked_for_something() -> None:
    program = """
import sys
from kube_lite.kit.lazy_package import postpone_module
print(postpone_module("attr.validators"), postpone_module("idna"), postpone_module("attr.no_such_module"))
import attr, idna
print("idna.core" in sys.modules, attr.validators is sys.modules["attr.validators"])
from attr.validators import in_
print(attr.validators.in_ is in_, type(attr.validators).__name__)
print(idna.encode("b\\u00fccher.example").decode(), type(idna).__name__, hasattr(idna, "no_such_name"))
"""
    assert run(program).splitlines() == [
        "True True False",
        "False True",
        "True module",
        "xn--bcher-kva.example module False",
    ]


def test_threads_that_ask_at_once_all_get_the_whole() -> None:
    program = """
import threading
from kube_lite.kit.lazy_package import postpone
postpone("aiohttp")
import aiohttp
names, start = [], threading.Barrier(8)
def ask():
    start.wait()
    names.append(aiohttp.ClientTimeout.__name__ + aiohttp.WSMsgType.__name__)
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(set(names), len(names))
"""
    assert run(program) == "{'ClientTimeoutWSMsgType'} 8"
