"""Two organizations that mirror each other, with every role, and one published generation of both.

What belongs to the second carries its marker in every text, so that a leak shows as text.
"""

from tests.world.build import World, build_world, copy_world
from tests.world.side import OURS, THEIRS, UNKNOWN, Place, Side

__all__ = [
    "OURS",
    "THEIRS",
    "UNKNOWN",
    "Place",
    "Side",
    "World",
    "build_world",
    "copy_world",
]
