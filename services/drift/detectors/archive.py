"""Arrays as bytes: numpy's own npz, which holds numbers and never code."""

import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt


def pack(arrays: Mapping[str, npt.ArrayLike]) -> bytes:
    """Named arrays and numbers as one npz archive."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(a) for name, a in arrays.items()})
    return buffer.getvalue()


def unpack(archive: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """The named arrays of `pack`. A pickled object in the archive is refused."""
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
