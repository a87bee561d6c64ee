"""What a token of an identity provider says: which signatures count, and where its claims are."""

from collections.abc import Mapping
from typing import Any, Final

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a private key only: a public key must not serve as the secret of an HMAC."""


def words(claims: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The words of a claim, in their order: a list of texts, or words in one text; none where it is absent.

    ``path``: the claim's name, or a path to one within others (``realm_access.roles``).
    """
    # A name with dots may be a claim's own: some issuers use addresses.
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return tuple(found.split())
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()
