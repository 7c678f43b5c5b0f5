"""The text of the package page, made of README.md: links lead somewhere also where the files of the project are not.

A package page has no folders, so a link to a file needs the address under which the project's files are read: the
entry ``Files`` of ``[project.urls]`` in pyproject.toml. As long as there is none, pictures are left out with their
caption, and other links are their text.
"""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent


def package_page(readme: str, address: str | None) -> str:
    """The README with links to files under an address, or without them."""
    if address:
        return re.sub(r"\]\((?!https?://|#)", f"]({address.rstrip('/')}/", readme)
    without_pictures = re.sub(r"!\[[^\]]*\]\((?!https?://)[^)]*\)\n\n(\*[^*]+\*\n\n)?", "", readme)
    return re.sub(r"\[([^\]]+)\]\((?!https?://|#)[^)]+\)", r"\1", without_pictures)


if __name__ == "__main__":
    from setuptools import setup

    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    setup(
        long_description=package_page(
            (HERE / "README.md").read_text(encoding="utf-8"), project.get("urls", {}).get("Files")
        ),
        long_description_content_type="text/markdown",
    )
