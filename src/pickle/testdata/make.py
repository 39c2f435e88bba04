"""Makes the small files beside it (numpy 2.4)."""
import pickle
from pathlib import Path

import numpy as np

here = Path(__file__).parent

# A batch as Python 3 pickles it, in every protocol.
batch = {
    b"data": np.arange(200, 212, dtype=np.uint8).reshape(2, 6),
    b"labels": [3, 258],
    "more": np.array([-1, 70000], dtype=">i4"),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
    "names": ["a", "b\u00e9"],
    "nested": (None, True, False, -7, 2**40, 1.5),
}
for protocol in range(6):
    (here / f"batch.p{protocol}").write_bytes(pickle.dumps(batch, protocol=protocol))
