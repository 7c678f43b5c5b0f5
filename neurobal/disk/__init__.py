"""Networks on disk: a folder of raw arrays, opened without being read into memory, and made of any list of edges."""

from neurobal.disk.conversion import to_disk
from neurobal.disk.layout import SynapsesOnDisk, on_disk

__all__ = ["SynapsesOnDisk", "on_disk", "to_disk"]
