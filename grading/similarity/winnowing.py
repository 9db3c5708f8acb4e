"""Fingerprints of a stream of tokens, by winnowing (Schleimer, Wilkerson, Aiken 2003)."""

import zlib
from functools import lru_cache

import numpy as np

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no token of a gram is lost modulo 2**64


@lru_cache(maxsize=100_000)
def _of_token(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return zlib.crc32(data) << 32 | zlib.crc32(data, 1)


def grams(tokens: list[str], k: int) -> np.ndarray:
    """The hash of each run of `k` tokens, shape (len(tokens) - k + 1,), the same in every run of Python."""
    if len(tokens) < k:
        return np.zeros(0, np.uint64)
    values = np.array([_of_token(text) for text in tokens], np.uint64)
    hashes = np.zeros(len(values) - k + 1, np.uint64)
    for offset in range(k):  # modulo 2**64
        hashes = hashes * BASE + values[offset : offset + len(hashes)]
    return hashes ^ (hashes >> np.uint64(29))


def winnow(hashes: np.ndarray, window: int) -> np.ndarray:
    """The places of the fingerprints: the least hash in each window, the rightmost of equal ones.

    Every run of `window + k - 1` tokens that two streams share has a fingerprint that they share.
    """
    if len(hashes) == 0:
        return np.zeros(0, int)
    window = min(window, len(hashes))
    windows = np.lib.stride_tricks.sliding_window_view(hashes, window)
    least = window - 1 - np.argmin(windows[:, ::-1], axis=1)
    return np.unique(least + np.arange(len(windows)))
