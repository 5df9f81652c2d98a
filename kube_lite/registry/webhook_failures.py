"""What a webhook's answer is called that is none, in the words of Go's client.

Source: ``client-go/rest/request.go``.
"""

from kube_lite.api.gotext import go_quote

FORBIDDEN = 403
SERVER_ERRORS = 500
ANSWERS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",  # noqa: E501
}


def refusal(status: int, told: str) -> str:
    """What is said of a response with that code, and ``told`` in it.

    Source: ``NewGenericServerResponse`` in ``apimachinery/pkg/api/errors``.
    """
    if status == FORBIDDEN:
        return told
    if status in ANSWERS:
        return ANSWERS[status]
    if status >= SERVER_ERRORS:
        return f"an error on the server ({go_quote(told)}) has prevented the request from succeeding"
    return f"the server responded with the status code {status} but did not return more details"
