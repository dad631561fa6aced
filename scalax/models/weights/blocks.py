"""Numbers of blocks in the names of a file of weights: each has one spelling, and none is left out."""

from collections.abc import Iterable

from scalax.errors import UserError

NUMBER = "(0|[1-9][0-9]{0,5})"  # part of a pattern: neither 01 nor digits of other scripts name a block


def places(blocks: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    """The place of each block, (block,) or (stage, block), among all of them, counted from 0."""
    return {block: place for place, block in enumerate(sorted(set(blocks)))}


def check_whole(blocks: Iterable[tuple[int, ...]], first: tuple[int, ...], where: str = "") -> None:
    """Raises UserError where a block is missing: those after it would take its place.

    - blocks: (block,) or (stage, block).
    - first: the one that the file's own count begins at.
    - where: begins the message.
    """
    due = [first]
    for block in places(blocks):
        if block not in due:
            raise UserError(f"{where}block {'.'.join(map(str, due[0]))} is missing; fetch the file again")
        due = [(*block[:-1], block[-1] + 1)]
        if len(block) == 2:
            due.append((block[0] + 1, first[1]))
