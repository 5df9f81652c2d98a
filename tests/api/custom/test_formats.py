"""Formats of texts."""

import pytest

from kube_lite.api.custom.formats import check_of

FORMATS = {
    "bsonobjectid": (["507f1f77bcf86cd799439011"], ["507f1f77bcf86cd79943901", "z07f1f77bcf86cd799439011"]),
    "uri": (
        ["https://a.b/c?d", "/path", "urn:x:y", "http://[::1]:80/"],
        ["", "a/b", "http://a b/", "http://a:x/", "%zz:"],
    ),
    "email": (
        ["a@b.c", "A B <a@b>", '"a b"@c', "a@[1.2.3.4]"],
        ["a", "@b", "a@", "a@b@c", "a b@c", "<a@b>x"],
    ),
    "hostname": (
        ["a", "a.example.com", "xn--a.de", "ä.example"],
        ["", "-a", "a..b", "a_b.c", "a.b.", "a" * 64 + ".com"],
    ),
    "ipv4": (["1.2.3.4", "010.0.0.1", "::ffff:1.2.3.4"], ["1.2.3", "1.2.3.4.5", "::1", "256.0.0.1"]),
    "ipv6": (["::1", "fe80::1", "::ffff:1.2.3.4"], ["1.2.3.4", "fe80::1%eth0", ":::"]),
    "cidr": (["10.0.0.1/8", "fd00::/64", "010.0.0.0/8"], ["10.0.0.1", "10.0.0.0/33", "10.0.0.0/-1", "a/8"]),
    "mac": (
        ["01:23:45:67:89:ab", "01-23-45-67-89-ab-cd-ef", "0123.4567.89ab"],
        ["01:23:45:67:89", "01:23-45:67:89:ab"],
    ),
    "uuid": (
        ["0b9e7c2a-4e4d-4b1a-8f4e-1d2c3b4a5f6e", "0B9E7C2A4E4D4B1A8F4E1D2C3B4A5F6E"],
        ["0b9e7c2a", "x" * 32],
    ),
    "uuid3": (["0b9e7c2a-4e4d-3b1a-8f4e-1d2c3b4a5f6e"], ["0b9e7c2a-4e4d-4b1a-8f4e-1d2c3b4a5f6e"]),
    "uuid4": (["0b9e7c2a-4e4d-4b1a-8f4e-1d2c3b4a5f6e"], ["0b9e7c2a-4e4d-4b1a-0f4e-1d2c3b4a5f6e"]),
    "uuid5": (["0b9e7c2a-4e4d-5b1a-8f4e-1d2c3b4a5f6e"], ["0b9e7c2a-4e4d-4b1a-8f4e-1d2c3b4a5f6e"]),
    "isbn": (["0321751043", "978-0321751041"], ["0321751044", "978-0321751042"]),
    "isbn10": (["0-321-75104-3", "043942089X"], ["978-0321751041"]),
    "isbn13": (["978-0321751041"], ["0321751043"]),
    "creditcard": (["4111 1111 1111 1111", "378282246310005"], ["4111111111111112", "1"]),
    "ssn": (["111-22-3333", "111 22 3333"], ["111223333", "1112-2-3333"]),
    "hexcolor": (["#FFF", "00ff00"], ["#FFFF", "red"]),
    "rgbcolor": (["rgb(255, 0,1)"], ["rgb(256,0,0)", "rgb(1,2)"]),
    "byte": (["aGk=", "aGkh"], ["", "aGk", "a-k="]),
    "password": (["", "anything"], []),
    "date": (["2024-02-29", "0000-01-01"], ["2023-02-29", "2023-1-1", "2023-13-01", "2023-01-01T00:00:00Z"]),
    "date-time": (
        ["2020-01-01T00:00:00Z", "2020-01-01t23:59:59.5+01:00"],
        ["now", "2020-01-01", "2020-01-01T24:00:00Z", "2020-01-01T00:00:00"],
    ),
    "duration": (["1h30m", "-1.5s", "22 ns", "3 days", "1 week", "0"], ["", "1", "soon", "1x"]),
    "k8s-short-name": (["a-1"], ["", "A", "a.b", "-a", "a" * 64]),
    "k8s-long-name": (["a.b-c", "a" * 64], ["", "a..b", "A.b", "a." * 127]),
}


@pytest.mark.parametrize(
    ("name", "text", "is_one"),
    [
        pytest.param(name, text, is_one, id=f"{name}-{text[:24]!r}-{is_one}")
        for name, (good, bad) in FORMATS.items()
        for texts, is_one in ((good, True), (bad, False))
        for text in texts
    ],
)
def test_a_text_has_its_format_or_not(name: str, text: str, is_one: bool) -> None:
    check = check_of(name)
    assert check is not None
    assert check(text) is is_one


def test_a_format_nobody_knows_says_nothing() -> None:
    assert check_of("int-or-string") is None
