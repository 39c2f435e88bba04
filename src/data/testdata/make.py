"""Makes the small files beside it (Pillow 13.0, numpy 2.4, pyarrow 26).

`wide.*` is one asymmetric picture, 16 wide and 8 high; the `.rgb` and `.grey`
files hold the pixels Pillow reads back, row by row.
"""
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

here = Path(__file__).parent
y, x = np.mgrid[0:8, 0:16]
picture = np.stack([x * 16, y * 32, (x * 8 + y * 16)], axis=-1).astype(np.uint8)
rgb = Image.fromarray(picture)
rgb.save(here / "wide.jpg", quality=95, subsampling=0)
rgb.save(here / "progressive.jpg", quality=95, subsampling=0, progressive=True)
Image.fromarray(picture[:, :, 0]).save(here / "grey.jpg", quality=95)
rgb.convert("CMYK").save(here / "cmyk.jpg", quality=95)
rgb.save(here / "wide.png")
rgb.quantize(64).save(here / "palette.png")
(here / "wide.rgb").write_bytes(np.asarray(Image.open(here / "wide.jpg")).tobytes())
(here / "grey.grey").write_bytes(np.asarray(Image.open(here / "grey.jpg")).tobytes())
(here / "cmyk.rgb").write_bytes(np.asarray(Image.open(here / "cmyk.jpg").convert("RGB")).tobytes())
(here / "palette.rgb").write_bytes(np.asarray(Image.open(here / "palette.png").convert("RGB")).tobytes())

# What torchvision 0.26 makes of wide.png; the pixels are in the tests of decode.rs.
# t = Compose([Resize(6), CenterCrop((3, 5))]); print(np.asarray(t(rgb)).transpose(2, 0, 1).tolist())

# The Hugging Face layout, with its metadata.
features = {
    "image": {"_type": "Image"},
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
}
jpg = (here / "wide.jpg").read_bytes()
table = pa.table(
    {
        "id": pa.array([10, 11, 12], pa.int64()),
        "image": pa.array([{"bytes": jpg, "path": f"{i}.jpg"} for i in range(3)]),
        "label": pa.array([0, 1, 1], pa.int64()),
    }
).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
pq.write_table(table, here / "hf.parquet", compression="zstd")

# Arrays in the layouts numpy can write.
a = np.arange(2 * 3 * 2 * 4, dtype=np.float64).reshape(2, 3, 2, 4)
np.savez_compressed(
    here / "layouts.npz",
    c=a, f=np.asfortranarray(a), big=a.astype(">f4"), u16=a.astype("<u2"), u8=a.astype(np.uint8),
    half=a.astype(np.float16), objects=np.array([{}, []], dtype=object), y=np.array([0, 1]),
)
