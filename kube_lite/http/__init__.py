"""The HTTP face of the API: aiohttp, and nothing else."""

from kube_lite.kit.lazy_package import postpone

postpone(
    "aiohttp"
)  # before anything imports a part of it: the server needs a third of what `import aiohttp` loads
