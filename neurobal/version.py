"""The version of the package: also in ``pyproject.toml``, and in every file that `save` writes."""

__version__ = "0.1.0"
