"""Who is believed and who is allowed in a cluster that nobody has told otherwise."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .authenticate import Authenticator, Union
from .authorize import AuthorizerUnion, MastersAuthorizer
from .certificates import CertificateAuthenticator
from .nodes import NodeAuthorizer
from .rbac import RoleAuthorizer

if TYPE_CHECKING:
    from kube_lite.registry.objects import Objects


def default_authenticator(tokens: Authenticator, extra: Sequence[Authenticator] = ()) -> Union:
    """Client certificates and ServiceAccount tokens; ``extra`` are asked in between."""
    return Union([CertificateAuthenticator(), *extra, tokens])


def default_authorizer(objects: "Objects") -> AuthorizerUnion:
    """``system:masters`` may do everything, nodes what their Pods need, others what roles grant them."""
    return AuthorizerUnion([MastersAuthorizer(), NodeAuthorizer(objects), RoleAuthorizer(objects)])
