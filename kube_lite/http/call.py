"""One HTTP request on its way through the server, with what each step has found out about it."""

from dataclasses import dataclass

from aiohttp.web_request import BaseRequest

from kube_lite.auth.user import ANONYMOUS, User

from .parse import Address, Asked


@dataclass(slots=True)
class Call:
    """A request and its circumstances.

    Attributes:
        request: as aiohttp gives it; its ``protocol`` is a ``listener.Connection``. address: its target,
        split. audit_id: what the client finds in ``Audit-Id``, and we in the log. asked: the words of its
        path, when it leads to a resource. user: who asks, once that is known. route: what metrics call it:
        verb, group, version, resource, subresource; empty for what is not served.
    """

    request: BaseRequest
    address: Address
    audit_id: str
    asked: Asked | None = None
    user: User = ANONYMOUS
    route: tuple[str, str, str, str, str] = ("", "", "", "", "")

    def headers(self, content_type: str) -> dict[str, str]:
        """The headers that every answer has; without a content type where there is no content."""
        headers = {"Audit-Id": self.audit_id, "Cache-Control": "no-cache, private"}
        if content_type:
            headers["Content-Type"] = content_type
        return headers
