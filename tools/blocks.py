"""Written parts of a page: what stands between two markers comes from the code, the rest from people."""

import re
from typing import Final

_BLOCK: Final = re.compile(r"(<!-- written by `make generate`: (\S+) -->\n)(.*?)(<!-- /\2 -->)", re.DOTALL)


def names(page: str) -> list[str]:
    """The blocks a page has, in its order."""
    return [match[2] for match in _BLOCK.finditer(page)]


def renewed(page: str, written: dict[str, str]) -> str:
    """The page with what is written, by the name of the block, between its markers.

    Raises:
        ValueError: the page has not each of these blocks once, or others.
    """
    if sorted(names(page)) != sorted(written):
        raise ValueError(f"the page has the blocks {names(page)}, written are {sorted(written)}")
    return _BLOCK.sub(lambda match: f"{match[1]}\n{written[match[2]]}\n\n{match[4]}", page)
