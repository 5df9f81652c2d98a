"""The plugins that every server has; to add one, write it in a file of its own and name it here."""

from .certificates import CertificateRequester
from .chain import Chain
from .default_classes import ClaimResize, DefaultIngressClass, DefaultStorageClass
from .figures import WebhookFigures
from .limits import LimitRanges
from .mutating_policies import MutatingPolicies
from .namespaces import NamespaceLifecycle
from .node_restriction import NodeRestriction
from .node_taints import NewNodeTaint
from .pod_security import PodSecurity
from .priority import Priority
from .protection import StorageProtection
from .quotas import ResourceQuotas
from .runtime_classes import RuntimeClasses
from .service_accounts import ServiceAccounts
from .tolerations import DefaultTolerations
from .topology_labels import SINCE, PodTopologyLabels
from .validating_policies import ValidatingPolicies
from .webhooks import MutatingWebhooks, ValidatingWebhooks


def default_chain(version: str = "1.36") -> Chain:
    """What a release has always on, in upstream's order (``pkg/kubeapiserver/options/plugins.go``)."""
    topology = [PodTopologyLabels()] if int(version.split(".")[1]) >= SINCE else []
    figures = WebhookFigures()
    return Chain([
        NamespaceLifecycle(), LimitRanges(), ServiceAccounts(), NodeRestriction(), NewNodeTaint(),
        PodSecurity(), Priority(), DefaultTolerations(), DefaultStorageClass(), StorageProtection(),
        ClaimResize(), RuntimeClasses(), CertificateRequester(), DefaultIngressClass(), *topology,
        MutatingPolicies(), MutatingWebhooks(figures), ValidatingPolicies(), ValidatingWebhooks(figures),
        ResourceQuotas(),
    ], figures.shown())  # fmt: skip
