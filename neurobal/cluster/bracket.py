"""In which order the answers on blocks are merged: one that does not depend on who has which block.

Blocks are the leaves of a binary tree. Whoever has all leaves below a node merges them; so the sums of floating-point
numbers are the same bit by bit, whichever workers live. Blocks that one worker gets at the start are below one node.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from neurobal.large.passes import Combined, Part, Parts, merged

Node: TypeAlias = tuple[int, int]  # blocks from ... to (exclusive)
Pieces: TypeAlias = dict[Node, Parts]


@dataclass(frozen=True)
class Bracket:
    """The tree above the blocks from ``edges[0]`` (0) to ``edges[-1]``; between two edges are those of one worker."""

    edges: tuple[int, ...]

    @property
    def root(self) -> Node:
        return self.edges[0], self.edges[-1]

    def halves(self, node: Node) -> tuple[Node, Node]:
        """The two nodes below a node of more than one block."""
        low, high = node
        first, last = bisect_left(self.edges, low), bisect_left(self.edges, high)
        whole = last < len(self.edges) and self.edges[first] == low and self.edges[last] == high
        middle = self.edges[(first + last) // 2] if whole and last - first > 1 else (low + high) // 2
        return (low, middle), (middle, high)

    def tops(self, blocks: Collection[int], node: Node | None = None) -> Iterator[Node]:
        """The highest nodes all of whose blocks are among these, from left to right."""
        node = node or self.root
        inside = sum(block in blocks for block in range(*node))
        if inside == node[1] - node[0]:
            yield node
        elif inside:
            for half in self.halves(node):
                yield from self.tops(blocks, half)

    def folded(self, node: Node, leaf: Callable[[int], Parts]) -> Parts:
        """The answers on the blocks below a node, which are asked for from left to right, as one."""
        if node[1] - node[0] == 1:
            return leaf(node[0])
        left, right = self.halves(node)
        return merged(self.folded(left, leaf), self.folded(right, leaf))

    def joined(self, pieces: Pieces, node: Node | None = None) -> Pieces:
        """What answers on nodes are together: neighbours below one node are merged. Arguments stay as they are."""
        node = node or self.root
        if node in pieces:
            return {node: pieces[node]}
        if not any(node[0] <= low and high <= node[1] for low, high in pieces):
            return {}
        left, right = self.halves(node)
        found = self.joined(pieces, left) | self.joined(pieces, right)
        if left in found and right in found:
            return {node: merged(tuple(map(_own, found[left])), found[right])}
        return found


def _own(part: Part) -> Part:
    """A part that merging may overwrite."""
    copied: Any = part
    if isinstance(part, Combined) and isinstance(part.values, np.ndarray):
        copied = replace(part, values=part.values.copy())
    return copied
