"""What the entry points change in their own process."""

import os
import sys
from pathlib import Path


def spare_grammar() -> None:
    """Keep jsonschema from building a grammar of IRIs, which takes two seconds: no schema of a notebook has one.

    It must be called before jsonschema is imported.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None makes the optional import fail


def find_alembic() -> None:
    """Put the programs of this environment on the path: nbgrader calls `alembic` by name when it makes a gradebook."""
    folder = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", "").split(os.pathsep)
    if folder not in folders:
        os.environ["PATH"] = os.pathsep.join([folder, *folders])
