"""Which texts LoopBack's User model takes for an e-mail address.

In charge of: the grammar alone (RFC 5321 mailbox as the npm package ``isemail`` reads it: quoted local parts,
address literals and non-ASCII letters pass, comments and white space do not; nothing is looked up).
"""

from __future__ import annotations

import re
import unicodedata

_CONTROL = "\\x00-\\x20\\x7f-\\x9f"
_ATOM = rf'[^{_CONTROL}()<>\[\]:;@\\,."]+'
_QUOTED = rf'"(?:[^{_CONTROL}"\\]|\\[^\x00-\x08\x0a-\x1e\x7f-\x9f])*"'
_LOCAL = re.compile(rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@")
# Letters and digits; beyond ASCII everything from the letter À on, as the original has it.
_LABEL = re.compile(
    "[0-9A-Za-z\u00c0-\U0010ffff](?:[0-9A-Za-z\u00c0-\U0010ffff-]*[0-9A-Za-z\u00c0-\U0010ffff])?"
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|[01]?\d\d?)"
_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}", re.ASCII)
_IPV4_TAIL = re.compile(rf"\b(?:{_OCTET}\.){{3}}{_OCTET}\Z", re.ASCII)
_IPV6_GROUP = re.compile(r"[0-9a-fA-F]{0,4}")


def is_email_address(text: str) -> bool:
    """Whether the text is an address that mail can be sent to, by its form."""
    text = unicodedata.normalize("NFC", text)
    found = _LOCAL.match(text)
    if found is None:
        return False
    local_bytes = len(found.group()[:-1].encode("utf-8", "surrogatepass"))
    domain = text[found.end() :]
    if domain.startswith("["):
        return local_bytes <= 64 and domain.endswith("]") and _is_address_literal(domain[1:-1])
    labels = domain.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return False
    lengths = [_ascii_length(label) for label in labels]
    domain_length = sum(lengths) + len(labels) - 1
    last_bytes = len(labels[-1].encode("utf-8", "surrogatepass"))
    return (
        local_bytes <= 64
        and all(length <= 63 for length in lengths[:-1])
        and last_bytes <= 63
        and domain_length <= 255
        and local_bytes + 1 + domain_length <= 254
    )


def _ascii_length(label: str) -> int:
    """The length of a label as it goes over the wire (``xn--…`` for other letters)."""
    return len(label) if label.isascii() else 4 + len(label.encode("punycode"))


def _is_address_literal(text: str) -> bool:
    """``127.0.0.1`` or ``IPv6:…``; RFC 5321 4.1.3."""
    if _IPV4.fullmatch(text):
        return True
    tail = _IPV4_TAIL.search(text)
    if tail is not None:
        text = text[: tail.start()] + "0:0"
    if text[:5].lower() != "ipv6:":
        return False
    address = text[5:]
    groups = address.split(":")
    compressed = address.find("::")
    if compressed < 0:
        if len(groups) != 8:
            return False
    else:
        at_an_end = compressed == 0 or compressed == len(address) - 2
        if compressed != address.rfind("::") or len(groups) >= 8 + at_an_end:
            return False
    if address.startswith(":") and not address.startswith("::"):
        return False
    if address.endswith(":") and not address.endswith("::"):
        return False
    return all(_IPV6_GROUP.fullmatch(group) for group in groups)
