"""Which names are allowed, with upstream's words for those that are not; and names made up from a prefix.

Each ``check_*`` gives a list of texts, empty when the name is good.
Source: ``apimachinery/pkg/util/validation/validation.go``, ``apiserver/pkg/storage/names/generate.go``.
"""

import random
from collections.abc import Callable

from kube_lite.kit.patterns import pattern

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = LABEL + r"(\." + LABEL + ")*"
UNDERSCORED_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
UNDERSCORED = UNDERSCORED_LABEL + r"(\." + UNDERSCORED_LABEL + ")*"
LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
CONFIG_KEY = "[-._a-zA-Z0-9]+"
WILDCARD = r"\*\." + SUBDOMAIN

_LABEL = pattern(LABEL)
_SUBDOMAIN = pattern(SUBDOMAIN)
_UNDERSCORED = pattern(UNDERSCORED)
_LABEL_1035 = pattern(LABEL_1035)
_QUALIFIED = pattern(QUALIFIED)
_PREFIXED = pattern(f"{SUBDOMAIN}/{QUALIFIED}")
_LABEL_VALUE = pattern(LABEL_VALUE)
_CONFIG_KEY = pattern(CONFIG_KEY)
_WILDCARD = pattern(WILDCARD)

LABEL_MAX, SUBDOMAIN_MAX = 63, 253
QUALIFIED_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)

GENERATED_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels and no look-alikes, so that no words appear
GENERATED_LENGTH = 5
GENERATED_BASE_MAX = LABEL_MAX - GENERATED_LENGTH

Check = Callable[[str], list[str]]


def generate_name(base: str, source: random.Random) -> str:
    """``web-`` → ``web-x7k2p``; a base longer than 58 characters is cut so that the name fits a label."""
    return base[:GENERATED_BASE_MAX] + random_suffix(source)


def random_suffix(source: random.Random, length: int = GENERATED_LENGTH) -> str:
    """Letters as generated names end in."""
    return "".join(source.choices(GENERATED_LETTERS, k=length))


def regex_error(text: str, pattern: str, *examples: str) -> str:
    """``<text> (e.g. 'a',  or 'b', regex used for validation is '…')``."""
    told = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {told}regex used for validation is '{pattern}')"


def check_label(value: str) -> list[str]:
    """A DNS-1123 label: names of Namespaces, containers, volumes and ports."""
    if len(value) <= LABEL_MAX and _LABEL.fullmatch(value):
        return []
    found = _too_long(value, LABEL_MAX)
    if not _LABEL.fullmatch(value):
        if _SUBDOMAIN.fullmatch(value):
            found.append("must not contain dots")
        else:
            found.append(regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                "and must start and end with an alphanumeric character", LABEL, "my-name", "123-abc",
            ))  # fmt: skip
    return found


def check_subdomain(value: str) -> list[str]:
    """A DNS-1123 subdomain: names of most objects."""
    if len(value) <= SUBDOMAIN_MAX and _SUBDOMAIN.fullmatch(value):
        return []
    found = _too_long(value, SUBDOMAIN_MAX)
    if not _SUBDOMAIN.fullmatch(value):
        found.append(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character", SUBDOMAIN, "example.com",
        ))  # fmt: skip
    return found


def check_subdomain_with_underscore(value: str) -> list[str]:
    """A subdomain as DNS servers take it, which is what search paths may be."""
    found = _too_long(value, SUBDOMAIN_MAX)
    if not _UNDERSCORED.fullmatch(value):
        found.append(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or "
            "'.', and must start and end with an alphanumeric character", UNDERSCORED, "example.com",
        ))  # fmt: skip
    return found


def check_label_1035(value: str) -> list[str]:
    """A DNS-1035 label, which starts with a letter: names of Services."""
    found = _too_long(value, LABEL_MAX)
    if not _LABEL_1035.fullmatch(value):
        found.append(regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
            "alphabetic character, and end with an alphanumeric character", LABEL_1035, "my-name", "abc-123",
        ))  # fmt: skip
    return found


def check_wildcard_subdomain(value: str) -> list[str]:
    """``*.example.com``."""
    found = _too_long(value, SUBDOMAIN_MAX)
    if not _WILDCARD.fullmatch(value):
        found.append(regex_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
            "must consist of lower case alphanumeric characters, '-' or '.' and end with an "
            "alphanumeric character",
            WILDCARD, "*.example.com",
        ))  # fmt: skip
    return found


def check_path_segment(value: str) -> list[str]:
    """A name that may be anything a URL path segment can hold: RBAC roles and bindings, among others."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in value]


def check_qualified_name(value: str) -> list[str]:
    """``prefix/name`` or ``name``: label keys, annotation keys, finalizers, resource names."""
    if len(value) <= LABEL_MAX and (_QUALIFIED.fullmatch(value) or _PREFIXED.fullmatch(value)):
        return []
    parts = value.split("/")
    if len(parts) > 2:
        text = regex_error(f"a valid label key {QUALIFIED_TEXT}", QUALIFIED, "MyName", "my.name", "123-abc")
        return [text + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    found: list[str] = []
    name = parts[-1]
    if len(parts) == 2:
        if not parts[0]:
            found.append("prefix part must be non-empty")
        else:
            found += [f"prefix part {text}" for text in check_subdomain(parts[0])]
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > LABEL_MAX:
        found.append(f"name part must be no more than {LABEL_MAX} bytes")
    if not _QUALIFIED.fullmatch(name):
        found.append("name part " + regex_error(QUALIFIED_TEXT, QUALIFIED, "MyName", "my.name", "123-abc"))
    return found


def check_label_value(value: str) -> list[str]:
    """What may stand on the right of a label; empty is fine."""
    if len(value) <= LABEL_MAX and _LABEL_VALUE.fullmatch(value):
        return []
    found = []
    if len(value.encode()) > LABEL_MAX:
        found.append(f"must be no more than {LABEL_MAX} bytes")
    if not _LABEL_VALUE.fullmatch(value):
        found.append(regex_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character",
            LABEL_VALUE, "MyValue", "my_value", "12345",
        ))  # fmt: skip
    return found


def check_config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret: it becomes a file name."""
    found = _too_long(value, SUBDOMAIN_MAX)
    if not _CONFIG_KEY.fullmatch(value):
        found.append(regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            CONFIG_KEY, "key.name", "KEY_NAME", "key-name",
        ))  # fmt: skip
    if value == ".":
        found.append("must not be '.'")
    elif value == "..":
        found.append("must not be '..'")
    elif value.startswith(".."):
        found.append("must not start with '..'")
    return found


def for_prefix(check: Check) -> Check:
    """The check for a ``generateName``: as for a name, with a final ``-`` allowed because letters follow."""

    def check_prefix(value: str) -> list[str]:
        return check(value[:-2] + "a" if value.endswith("-") and len(value) > 1 else value)

    return check_prefix


def _too_long(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} characters"] if len(value) > limit else []
