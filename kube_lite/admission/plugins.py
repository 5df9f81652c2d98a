"""The plugins that every server has; to add one, write it in a file of its own and name it here."""

from .certificates import CertificateRequester
from .chain import Chain
from .default_classes import ClaimResize, DefaultIngressClass, DefaultStorageClass
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
from .validating_policies import ValidatingPolicies
from .webhooks import MutatingWebhooks, ValidatingWebhooks


def default_chain() -> Chain:
    """The plugins that are always on, in upstream's order (``pkg/kubeapiserver/options/plugins.go``)."""
    return Chain([
        NamespaceLifecycle(), LimitRanges(), ServiceAccounts(), NodeRestriction(), NewNodeTaint(),
        PodSecurity(), Priority(), DefaultTolerations(), DefaultStorageClass(), StorageProtection(),
        ClaimResize(), RuntimeClasses(), CertificateRequester(), DefaultIngressClass(), MutatingPolicies(),
        MutatingWebhooks(), ValidatingPolicies(), ValidatingWebhooks(), ResourceQuotas(),
    ])  # fmt: skip
