"""Dask, if it is installed: it is imported when it is first needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from neurobal.errors import InvalidInputError

INSTALL = 'pip install "neurobal[dask]"'


def is_dask_dataframe(network: Any) -> bool:
    """Whether this is a dataframe of Dask; Dask is not imported to find out."""
    module = sys.modules.get("dask.dataframe")
    return module is not None and isinstance(network, module.DataFrame)


def needed(module: str) -> Any:
    """A module of the extra ``dask``. Raises InvalidInputError, which says what to install, if it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InvalidInputError(f"A Dask dataframe needs {module}: {INSTALL} ({error}).") from error


def present() -> Any:
    """The client that is used where none is named; None if there is none."""
    try:
        client = needed("distributed").get_client()
    except ValueError:
        return None
    if client.asynchronous:
        raise InvalidInputError("The Dask client is asynchronous. Make one without asynchronous=True.")
    return client


@contextmanager
def some_client() -> Iterator[Any]:
    """The present client; if there is none, one of a local cluster that is closed in the end."""
    client = present()
    if client is not None:
        yield client
        return
    distributed = needed("distributed")
    with distributed.LocalCluster(dashboard_address=":0") as cluster, distributed.Client(cluster) as own:
        yield own
