"""The functions that Kubernetes adds."""

from typing import Any

import pytest

from kube_lite.api.cel.environment import Environment
from kube_lite.api.cel.library.authorizer import AUTHORIZER, Answer, Asking, Authorizer, Question


def outcome(expression: str) -> Any:
    found = Environment({}).compile(expression).run([])
    return found.value if found.error is None else str(found.error)


@pytest.mark.parametrize(
    "truths",
    [
        pytest.param(
            [
                "'abc'.charAt(1) == 'b'",
                "'abcb'.indexOf('b', 2) == 3",
                "'abcb'.lastIndexOf('b') == 3",
                "'A b'.lowerAscii() == 'a b'",
                "['a', 'b'].join('-') == 'a-b'",
                "'aaa'.replace('a', 'b', 2) == 'bba'",
                "'a,b,c'.split(',', 2) == ['a', 'b,c']",
                "'ab'.split('') == ['a', 'b']",
                "'abcd'.substring(1, 3) == 'bc'",
                "' a\\t'.trim() == 'a'",
                "'é'.upperAscii() == 'é'",
                "strings.quote('a\"b') == '\"a\\\\\"b\"'",
            ],
            id="texts",
        ),
        pytest.param(
            [
                "'%s %d %.1f %x %o %b'.format(['a', 1, 2.55, 255, 8, true]) == 'a 1 2.5 ff 10 1'",
                "'%%'.format([]) == '%'",
                "'%s'.format([[1, 'a', 2.5]]) == '[1, \"a\", 2.500000]'",
                "'%s'.format([{'b': 1, 'a': null}]) == '{\"a\":null, \"b\":1}'",
                "'%s'.format([duration('90m')]) == '5400s'",
                "'%f'.format([1234.5]) == '1,234.500000'",
                "'%X'.format([b'\\xff']) == 'FF'",
            ],
            id="formatted texts",
        ),
        pytest.param(
            [
                "[3, 1, 2].sort() == [1, 2, 3]",
                "['b', 'a'].sortBy(i, i) == ['a', 'b']",
                "[1, 2, 3].sum() == 6",
                "[1.5, 2.0].max() == 2.0",
                "[2, 1].min() == 1",
                "[1, 2, 2].isSorted()",
                "[1, 2, 1].lastIndexOf(1) == 2",
                "['a'].indexOf('b') == -1",
                "[[1], [2, 3]].flatten() == [1, 2, 3]",
                "[1, 2, 1].distinct() == [1, 2]",
                "[1, 2, 3].slice(1, 3) == [2, 3]",
                "[1, 2].reverse() == [2, 1]",
                "lists.range(3) == [0, 1, 2]",
                "sets.contains([1, 2], [2])",
                "sets.equivalent([1, 2], [2, 1, 1])",
                "!sets.intersects([1], [2])",
            ],
            id="lists and sets",
        ),
        pytest.param(
            [
                "'abc 123'.find('[0-9]+') == '123'",
                "'1 22 333'.findAll('[0-9]+', 2) == ['1', '22']",
                "'a'.find('b') == ''",
                "'abc'.matches('^a.c$')",
                "!'abc'.matches('^b')",
            ],
            id="patterns",
        ),
        pytest.param(
            [
                "url('https://u:p@a.test:8080/b%2Fc?q=1&q=2#f').getHost() == 'a.test:8080'",
                "url('http://[::1]:80/').getHostname() == '::1'",
                "url('http://a.test:80/x').getPort() == '80'",
                "url('/b c').getEscapedPath() == '/b%20c'",
                "url('http://a/?q=1&q=2').getQuery()['q'] == ['1', '2']",
                "url('HTTP://a/').getScheme() == 'http'",
                "!isURL('a.test')",
                "isURL('/a')",
                "!isURL('http://a:b/')",
            ],
            id="urls",
        ),
        pytest.param(
            [
                "ip('10.0.0.1').family() == 4",
                "ip('::1').isLoopback()",
                "!isIP('10.0.0.01')",
                "!isIP('::ffff:1.2.3.4')",
                "ip.isCanonical('2001:db8::1')",
                "!ip.isCanonical('2001:DB8::1')",
                "cidr('10.0.0.0/8').containsIP('10.1.2.3')",
                "cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16'))",
                "!cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')",
                "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
                "cidr('10.0.0.0/8').prefixLength() == 8",
                "string(cidr('10.0.0.0/8').ip()) == '10.0.0.0'",
                "ip('169.254.1.1').isLinkLocalUnicast()",
                "ip('224.0.0.5').isLinkLocalMulticast()",
                "ip('8.8.8.8').isGlobalUnicast()",
                "!isCIDR('10.0.0.0/33')",
            ],
            id="addresses",
        ),
        pytest.param(
            [
                "quantity('1Gi').isGreaterThan(quantity('1G'))",
                "quantity('500m').add(quantity('0.5')).compareTo(quantity('1')) == 0",
                "quantity('2').sub(1).asInteger() == 1",
                "!quantity('50m').isInteger()",
                "sign(quantity('-1')) == -1",
                "quantity('1k') == quantity('1000')",
                "!isQuantity('10Mo')",
                "quantity('1500m').asApproximateFloat() == 1.5",
            ],
            id="quantities",
        ),
        pytest.param(
            [
                "semver('1.2.3').isLessThan(semver('1.10.0'))",
                "semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))",
                "semver('1.0.0-2').compareTo(semver('1.0.0-10')) == -1",
                "semver('1.2.3+a').compareTo(semver('1.2.3+b')) == 0",
                "semver('v1.2', true).minor() == 2",
                "!isSemver('v1.2.3')",
                "isSemver('v1', true)",
                "!isSemver('01.2.3')",
            ],
            id="versions",
        ),
        pytest.param(
            [
                "!format.dns1123Label().validate('a-b').hasValue()",
                "format.dns1123Label().validate('A').hasValue()",
                "format.named('uuid').value().validate('x').value() == ['does not match the UUID format']",
                "!format.named('none').hasValue()",
                "!format.date().validate('2024-02-29').hasValue()",
                "format.byte().validate('?').value() == ['invalid base64']",
                "!format.qualifiedName().validate('a.b/c').hasValue()",
            ],
            id="formats",
        ),
        pytest.param(
            [
                "duration('1h30m') == duration('5400s')",
                "string(duration('1.5s')) == '1.5s'",
                "duration('1h').getMinutes() == 60",
                "timestamp('2020-02-29T23:59:59.5+01:00').getHours() == 22",
                "timestamp('2020-02-29T00:00:00Z').getMonth() == 1",
                "timestamp('2020-01-01T00:00:00Z').getFullYear('-01:00') == 2019",
                "timestamp('2020-03-01T00:00:00Z').getDayOfYear() == 60",
                "timestamp('2020-01-05T00:00:00Z').getDayOfWeek() == 0",
                "timestamp('2020-01-02T00:00:00Z').getDayOfMonth() == 1",
                "timestamp('2020-01-01T00:00:00Z') + duration('24h') == timestamp('2020-01-02T00:00:00Z')",
                "string(timestamp('2020-01-01T00:00:00.120+02:00')) == '2020-01-01T00:00:00.12+02:00'",
                "timestamp('2020-01-01T00:00:00Z').getHours('Asia/Tokyo') == 9",
                "int(timestamp('1970-01-01T00:01:00Z')) == 60",
            ],
            id="times",
        ),
    ],
)
def test_functions_hold(truths: list[str]) -> None:
    assert {truth: outcome(truth) for truth in truths} == dict.fromkeys(truths, True)


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        pytest.param("'ab'.substring(2, 1)", "invalid substring range. start: 2, end: 1", id="range"),
        pytest.param("[1].slice(0, 2)", "cannot slice(0, 2), list is length 1", id="slice"),
        pytest.param(
            "['a', 'b'].map(i, i).filter(i, i > 'c').max()",
            "max called on empty list",
            id="nothing to choose from",
        ),
        pytest.param("semver('1.2')", "No Major.Minor.Patch elements found", id="version"),
        pytest.param(
            "quantity('1Ki') .add(quantity('1.5')).asInteger()",
            "cannot convert value to integer",
            id="quantity",
        ),
        pytest.param(
            "ip('1.2.3')",
            'IP Address "1.2.3" parse error during conversion from string: '
            'ParseAddr("1.2.3"): IPv4 address too short',
            id="address",
        ),
        pytest.param(
            "ip('fe80::1%eth0')", 'IP address "fe80::1%eth0" with zone value is not allowed', id="zone"
        ),
        pytest.param(
            "[1, 2].transformMap(i, v, v).transformMapEntry(k, v, {'a': v})",
            "insert failed: key a already exists",
            id="key twice",
        ),
        pytest.param(
            "'%d'.format(['a'] + ['b'])",
            "error during formatting: decimal clause can only be used on integers, was given string",
            id="clause",
        ),
        pytest.param(
            "duration('1' + 'd')",
            "type conversion error from 'string' to 'google.protobuf.Duration'",
            id="duration",
        ),
    ],
)
def test_functions_tell_what_they_cannot_do(expression: str, error: str) -> None:
    assert outcome(expression) == error


def test_an_authorizer_is_asked_what_was_put_together() -> None:
    asked: list[Question] = []

    def ask(question: Question) -> Answer:
        asked.append(question)
        return Answer(question.verb == "get", "because")

    program = Environment({"authorizer": AUTHORIZER}).compile(
        "authorizer.serviceAccount('ns', 'bot').group('apps').resource('deployments').subresource('scale')"
        ".namespace('ns').name('web').check('get').allowed() "
        "&& authorizer.path('/x').check('post').reason() == 'because'"
    )
    found = program.run([Authorizer(Asking(ask))])
    assert found.value is True
    assert found.cost > 700_000
    expected = Question(
        verb="get",
        group="apps",
        resource="deployments",
        subresource="scale",
        namespace="ns",
        name="web",
        service_account=("ns", "bot"),
    )
    assert asked == [expected, Question(verb="post", path="/x")]
