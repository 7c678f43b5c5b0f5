"""The workers of a cluster that live, and waiting for what they do."""

from __future__ import annotations

import time
from typing import Any

from neurobal.cluster.installed import needed
from neurobal.errors import NeurobalError

PERIOD = 0.5  # seconds between two looks at who lives
PATIENCE = 20.0  # seconds that one waits for a worker, when there is none


class Gone(Exception):
    """A worker that was asked has died."""


class Living:
    """The workers of a client, and waiting for what they do."""

    def __init__(self, client: Any, patience: float | None = None) -> None:
        self.client = client
        self._patience = PATIENCE if patience is None else patience

    def threads(self) -> dict[str, int]:
        """The threads of each worker, by address: at least one worker.

        NeurobalError if there is none, and none comes for a while.
        """
        end = time.monotonic() + self._patience
        while not (found := dict(self.client.nthreads())):
            if time.monotonic() > end:
                raise NeurobalError(
                    "No worker of the Dask cluster is left, and none has come back: nothing can be balanced. Nothing "
                    "was changed. Look into the logs of the workers (client.get_worker_logs()): they may have had too "
                    "little memory. Start workers, with more memory or more of them, and call balance again."
                )
            time.sleep(min(PERIOD, self._patience / 4))
        return dict(sorted(found.items()))

    def answers(self, futures: list[Any], workers: set[str] | None = None) -> list[Any]:
        """What futures bring. Raises `Gone` as soon as one of ``workers``, if given, has died."""
        self.wait(futures, workers)
        return list(self.client.gather(futures))

    def wait(self, futures: list[Any], workers: set[str] | None = None) -> None:
        """Wait until all are done."""
        distributed = needed("distributed")
        while True:
            try:
                distributed.wait(futures, timeout=PERIOD)
            except TimeoutError:
                alive = self.threads()
                if workers is not None and not workers <= alive.keys():
                    raise Gone from None
                continue
            break
        for future in futures:
            if future.status == "error":
                _explain(future.exception())


def _explain(error: Any) -> None:
    if isinstance(error, needed("distributed").KilledWorker):
        raise NeurobalError(
            f"Workers of the Dask cluster died again and again at the same task: {error}. They may have too little "
            "memory: give them more, or use more of them."
        ) from error
    raise error
