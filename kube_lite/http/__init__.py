"""The HTTP face of the API: aiohttp, and nothing else."""

from kube_lite.kit.lazy_package import postpone, postpone_module

# Before anything imports a part of it: the server needs a third of what `import aiohttp` loads, and of what
# that depends on neither checks of attributes nor host names in other scripts.
postpone("aiohttp")
postpone_module("attr.validators")
postpone_module("idna")
