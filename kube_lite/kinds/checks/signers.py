"""Rules for the names of signers and of the bundles of certificates they publish.

Source: ``pkg/apis/core/validation/names.go``.
"""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import invalid, required, too_long
from kube_lite.api.names import LABEL_MAX, SUBDOMAIN_MAX, check_label, check_subdomain

NAME_MAX = SUBDOMAIN_MAX + 1 + SUBDOMAIN_MAX + 1 + LABEL_MAX  # a domain, and a name with a namespace


def is_kubernetes_signer(name: str) -> bool:
    """Whether a signer is one of Kubernetes' own."""
    host = name.partition("/")[0]
    return host == "kubernetes.io" or host.endswith(".kubernetes.io")


def check_signer_name(path: str, name: str) -> Iterator[Cause]:
    """``example.com/signer-name``."""
    if not name:
        yield required(path)
        return
    domain, _, rest = name.partition("/")
    if name.count("/") != 1:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid(path, name, why)
        return
    if len(domain) > SUBDOMAIN_MAX:
        yield too_long(path, SUBDOMAIN_MAX)
    labels = domain.split(".")
    yield from _first_wrong(path, domain, ((label, check_label(label)) for label in labels))
    if len(labels) < 2:
        yield invalid(path, domain, "should be a domain with at least two segments separated by dots")
    yield from _first_wrong(path, rest, ((label, check_subdomain(label)) for label in rest.split(".")))
    if len(name) > NAME_MAX:
        yield too_long(path, NAME_MAX)


def _first_wrong(path: str, value: str, labels: Iterator[tuple[str, list[str]]]) -> Iterator[Cause]:
    for label, texts in labels:
        if texts:
            for text in texts:
                yield invalid(path, value, f'validating label "{label}": {text}')
            return


def check_bundle_name(name: str) -> list[str]:
    """The name of a ClusterTrustBundle, wherever it is told: ``example.com:signer:name`` or ``name``."""
    return check_subdomain(name.rpartition(":")[2])
