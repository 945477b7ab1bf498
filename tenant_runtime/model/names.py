"""Names that LoopBack derives from names.

In charge of: ``inflection.camelize`` as its relations use it. Must not know: models.
"""

from __future__ import annotations


def camelize(name: str) -> str:
    """``OrderItem_id`` → ``orderItemId``: words at underscores, the first letter small."""
    words = name.split("_")
    words[1:] = [word.lower() for word in words[1:]]
    joined = words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
    return joined[:1].lower() + joined[1:]
