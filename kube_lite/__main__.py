"""``python -m kube_lite`` is ``kube-lite``."""

import sys

from kube_lite.cli.main import main

sys.exit(main())
