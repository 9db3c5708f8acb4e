import hashlib
from pathlib import Path

import numpy as np

# ---- The notebook's cell begins here. ----

"""The handwritten digits: how to load them from the file beside this notebook."""


class DataMissing(FileNotFoundError):
    """The data file is missing or damaged. Jupyter shows the message and leaves out the stack of calls."""

    def _render_traceback_(self):
        return str(self).splitlines()


DIGITS_SHA256 = "b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e"


def load_digits(path="digits.npz"):
    """The pictures, shape (1797, 64), brightness from 0 to 1, and their digits, shape (1797,), from 0 to 9."""
    path = Path(path)
    if not path.is_file():
        raise DataMissing(
            f"The data file {path} is not beside this notebook.\n"
            "In the course's repository it is at release/training/digits.npz. Put it into the notebook's folder:\n"
            "- JupyterLab: drag the file into the file list on the left, where training.ipynb is.\n"
            "- Colab: click the folder symbol on the left, then Upload, and choose digits.npz.\n"
            "Then run this cell again."
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != DIGITS_SHA256:
        raise DataMissing(f"{path} is not the file of the course (its SHA-256 differs). Download it again.")
    with np.load(path) as file:
        return file["images"].reshape(-1, 64) / 16.0, file["labels"].astype(np.int64)
