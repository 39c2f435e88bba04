"""Makes the small files beside it (Pillow 13.0, numpy 2.4, pyarrow 26).

`wide.*` is one asymmetric picture, 16 wide and 8 high; the `.rgb` and `.grey`
files hold the pixels Pillow reads back, row by row.
"""
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

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

# The same picture in other formats, and turned by EXIF: what Pillow reads back is in formats.json, in RGB or, of
# images of one channel, as grey values; (height, width, values).
formats = here / "formats"
formats.mkdir(exist_ok=True)
grey = Image.fromarray(picture[:, :, 0])
rgba = rgb.copy()
rgba.putalpha(Image.fromarray((x * 15).astype(np.uint8)))
deep = Image.fromarray(picture[:, :, 0].astype(np.uint16) * 257)
rgb.save(formats / "lossless.webp", lossless=True)
rgb.save(formats / "lossy.webp", quality=90)
rgba.save(formats / "alpha.webp", lossless=True, exact=True)
rgb.save(formats / "two.webp", save_all=True, append_images=[rgb.rotate(180)], lossless=True)
for name, image, options in [
    ("raw", rgb, {}), ("lzw", rgb, {"compression": "tiff_lzw"}), ("deflate", rgb, {"compression": "tiff_deflate"}),
    ("jpeg", rgb, {"compression": "jpeg", "quality": 95}), ("grey", grey, {}), ("deep", deep, {}), ("palette", rgb.quantize(64), {}),
    ("bits", rgb.convert("1"), {"compression": "group4"}), ("alpha", rgba, {}),
]:
    image.save(formats / f"{name}.tif", **options)
rgb.save(formats / "plain.bmp")
grey.save(formats / "grey.bmp")
rgb.quantize(64).save(formats / "palette.bmp")
rgb.quantize(64).save(formats / "palette.gif")
rgb.quantize(64).save(formats / "two.gif", save_all=True, append_images=[rgb.rotate(180).quantize(64)])
turned = {}
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for end, options in [("png", {}), ("webp", {"lossless": True}), ("tif", {}), ("jpg", {"quality": 100, "subsampling": 0})]:
        if end == "png" or orientation in (1, 6):
            rgb.save(formats / f"turned{orientation}.{end}", exif=exif, **options)
expected = {}
for path in sorted(formats.glob("*.*")):
    image = Image.open(path)
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16B", "I"):
        array = np.asarray(image).astype(np.float64) / 257
    else:
        array = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    if path.suffix != ".json":
        expected[path.name] = [*array.shape[:2], array.reshape(-1).round(3).tolist()]
(here / "formats.json").write_text("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in expected.items()) + "\n}\n")
# A photo with a video behind its end marker, whose bytes hold end markers of their own.
video = np.random.default_rng(1).integers(0, 256, 5000, dtype=np.uint8).tobytes() + b"\xff\xd9\xff\xda"
(here / "motion.jpg").write_bytes(jpg + b"\0\0\0\x18ftypmp42" + video)
