"""``kube-lite image``: the images on this node."""

import argparse

from .failure import Failure
from .serve import data_dir_of


def run(options: argparse.Namespace) -> int:
    """Import or list images in the data directory; a running cluster sees the change at once."""
    from kube_lite.cluster import node

    data_dir = data_dir_of(options)
    if options.action == "import":
        try:
            image_id = node.import_image(data_dir, options.source, options.names, options.cmd)
        except node.IMPORT_FAILURES as error:
            raise Failure(f"{options.source}: {error}") from error
        print(f"Imported {', '.join(options.names)} as {image_id}.")
        return 0
    if options.action == "list":
        for line in node.image_lines(data_dir):
            print(line)
        return 0
    raise Failure("which action? 'kube-lite image import PATH NAME...' or 'kube-lite image list'")
