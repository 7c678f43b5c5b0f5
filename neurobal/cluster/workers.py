"""Passes over blocks on the workers of a Dask cluster: one call per worker and pass.

Dask keeps the recipe of each block, from its partitions on. When a worker dies, it makes the lost blocks again
elsewhere, and the pass is repeated. Answers merge in the same order whoever has the blocks (see `Bracket`).
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from neurobal.cluster.bracket import Bracket, Node, Pieces
from neurobal.cluster.living import Gone, Living
from neurobal.cluster.memory import keep_freed_memory
from neurobal.cluster.synapses import SynapsesOnCluster
from neurobal.cluster.tables import Block
from neurobal.large.passes import Parts, Work

Array: TypeAlias = np.ndarray
Tell: TypeAlias = Callable[[int, float], Any]
Answer: TypeAlias = tuple[int, Pieces]  # bytes that were sent for it before, and the parts


class OnWorkers:
    """`Passes` over the blocks of a network.

    Attributes
    ----------
    bytes_moved : int
        What was sent between processes in all passes: works to workers, and their answers.
    """

    def __init__(self, network: SynapsesOnCluster, living: Living) -> None:
        self._living, self._client = living, living.client
        self.size, self.synapses = network.size, network.nnz
        self.count = self.bytes_moved = 0
        self.tell: Tell = lambda count, done: None
        workers = [*living.threads()]
        bounds = network.cuts(len(workers))
        edges = np.unique(np.linspace(0, len(bounds), len(workers) + 1).round().astype(int)).tolist()
        self._bracket = Bracket(tuple(edges))
        self._network, self._bounds = network, bounds
        self._blocks: dict[int, Any] = {}
        self._known: set[str] = set()  # workers when blocks were last shared out
        self._shares = {worker: [*range(a, b)] for worker, (a, b) in zip(workers, pairwise(edges), strict=False)}

    def run(self, work: Work) -> tuple[Any, ...]:
        """See `Passes.run`. It is repeated if a worker dies meanwhile."""
        self.count += 1
        self.tell(self.count, 0.0)
        while True:
            try:
                pieces = self._pass(work)
                break
            except Gone:
                self._known = set()
        self.tell(self.count, 1.0)
        return tuple(_writable(part.value) for part in pieces[self._bracket.root])

    def _pass(self, work: Work) -> Pieces:
        threads = self._living.threads()
        if threads.keys() != self._known:
            self._look([*threads])
        workers = {*self._shares}
        sent = self._send(work, workers)
        futures = [
            self._client.submit(
                answered, self._bracket, sent, share, threads[worker], *(self._blocks[k] for k in share),
                workers=[worker], allow_other_workers=False, pure=False, key=f"pass-{self.count}-{share[0]}-{_stamp()}",
            )
            for worker, share in self._shares.items()
        ]  # fmt: skip
        homes = [*self._shares]
        while len(futures) > 2:
            futures = [
                self._client.submit(joined, self._bracket, *futures[k : k + 2], workers=[homes[k]], pure=False)
                for k in range(0, len(futures), 2)
            ]
            homes = homes[::2]
        try:
            answers = self._living.answers(futures, workers)
        except CancelledError as error:  # of data that were on a worker that has died
            raise Gone from error
        except BaseException:
            self._client.cancel(futures)
            raise
        self.bytes_moved += nbytes(work) * len(workers) + sum(before + nbytes(pieces) for before, pieces in answers)
        return self._bracket.joined({node: parts for _, pieces in answers for node, parts in pieces.items()})

    def _send(self, work: Work, workers: set[str]) -> Any:
        """The work on all workers, by a tree."""
        try:
            return self._client.scatter(work, workers=sorted(workers), broadcast=True, hash=False)
        except (OSError, TimeoutError, ValueError, KeyError) as error:  # to one that is not there any more
            if workers <= self._living.threads().keys():
                raise
            raise Gone from error

    def _look(self, workers: list[str]) -> None:
        """Make the blocks that nobody has, and share them out anew if workers have died or come."""
        homes = {number: worker for worker, share in self._shares.items() for number in share}
        shares = {worker: self._shares.get(worker, []) for worker in workers}
        for number in sorted(number for number, worker in homes.items() if worker not in shares):
            shares[min(shares, key=lambda worker: len(shares[worker]))].append(number)
        even(shares)
        self._shares = {worker: sorted(share) for worker, share in shares.items() if share}
        new = {
            number: worker
            for worker, share in self._shares.items()
            for number in share
            if homes[number] != worker or number not in self._blocks
        }
        made = self._client.compute(self._network.blocks(self._bounds, new)) if new else []
        self._blocks |= dict(zip(new, made, strict=True))
        self._living.wait([*self._blocks.values()], {*self._shares})
        self._known = {*workers}


def even(shares: dict[str, list[int]]) -> None:
    """Move blocks from those with most to those with fewest until nobody has twice as many as another, and one more.

    A block is made again at its new place.
    """
    while True:
        most, fewest = (choose(shares, key=lambda worker: len(shares[worker])) for choose in (max, min))
        if len(shares[most]) <= 2 * len(shares[fewest]) + 1:
            return
        shares[fewest].append(shares[most].pop())


# ------------------------------------------------------------------------------------------------------- on workers


def answered(bracket: Bracket, work: Work, share: list[int], threads: int, *blocks: Block) -> Answer:
    """The parts of the answer that follow from the blocks of a worker, ``share`` being their numbers."""
    keep_freed_memory()
    mine = dict(zip(share, blocks, strict=True))
    order = iter(_in_order(lambda number: work.over([mine[number]]), share, threads))
    tops: list[Node] = [*bracket.tops(mine)]
    return 0, {top: bracket.folded(top, lambda number: next(order)) for top in tops}


def _in_order(leaf: Callable[[int], Parts], numbers: list[int], threads: int) -> Iterator[Parts]:
    """Answers in order, a few ahead of the one that is asked for."""
    if threads == 1 or len(numbers) == 1:
        yield from map(leaf, numbers)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="neurobal") as pool:
        ahead: deque[Future[Parts]] = deque()
        for number in numbers:
            ahead.append(pool.submit(leaf, number))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def joined(bracket: Bracket, *answers: Answer) -> Answer:
    """Answers of two workers as one."""
    pieces: Pieces = {node: parts for _, found in answers for node, parts in found.items()}
    moved = sum(before for before, _ in answers) + sum(nbytes(found) for _, found in answers[1:])
    return moved, bracket.joined(pieces)


def nbytes(thing: Any) -> int:
    """Bytes that it takes to send something."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    return len(head) + sum(buffer.raw().nbytes for buffer in buffers)


def _writable(value: Any) -> Any:
    """What arrived may lie in memory that cannot be written."""
    return value.copy() if isinstance(value, np.ndarray) and not value.flags.writeable else value


def _stamp() -> str:
    return f"{time.monotonic_ns():x}"
