#!/usr/bin/env python3
"""Pillow and torchvision on the same image files as domfreq, for benches/images.rs.

  python images.py THREADS COUNT

It answers requests on stdin, one JSON object per line each way:

  {"make": DIR}               COUNT images of 32x32 colour in DIR/NAME.parquet for each of FORMATS
  {"decode": FILE, "processes": P}
                              seconds to read and decode such a file by P processes: 1 or THREADS
  {"keep": FILE}              the pixels decoded last, [N, H, W, C] of bytes
  {"pictures": DIR}           sample pictures of scikit-image and scikit-learn as PNG, in DIR/a and DIR/b in turns
  {"resize": DIR, "shorter": S, "crop": C, "filter": NAME, "pil": FILE, "tensor": FILE, "twice": FILE}
                              those pictures as torchvision resizes and cuts them, float32 [N, 3, C, C]: Pillow's
                              images (then ToTensor), float tensors, and float tensors cut off at 0 and 1 where
                              Pillow does: after the pass across, and after the one down

Decoding ends in one array of bytes that all processes share; they are there before the clock runs.
"""

import io
import json
import mmap
import multiprocessing
import pathlib
import sys
import time

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SEED = 20240613
SIDE = 32
CLASSES = 10
# Images in a row group: what a process takes at once.
GROUP = 1000
FORMATS = {
    "webp": {"format": "WEBP", "quality": 80},
    "webp-lossless": {"format": "WEBP", "lossless": True},
    "png": {"format": "PNG"},
    "jpeg": {"format": "JPEG"},
}
# Sample pictures below this side are no photos.
LEAST = 64

THREADS, COUNT = int(sys.argv[1]), int(sys.argv[2])
# Anonymous, and so shared with the processes that are forked.
DECODED = np.frombuffer(mmap.mmap(-1, COUNT * SIDE * SIDE * 3), np.uint8).reshape(COUNT, SIDE, SIDE, 3)


def photos(group):
    """Smooth fields, brightness more than colour, and the noise of a sensor: they compress about as photos do."""
    rng = np.random.default_rng([SEED, group])
    n = min(GROUP, COUNT - group * GROUP)
    # Twice the size, so that images do not go on at their other edge.
    wide = 2 * SIDE
    f = np.hypot(np.fft.fftfreq(wide)[:, None], np.fft.rfftfreq(wide)[None])
    falls = np.where(f > 0, np.maximum(f, 1 / wide) ** -1.3, 0)
    fields = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((n, 3, wide, wide))) * falls)[..., :SIDE, :SIDE]
    fields /= fields.std(axis=(2, 3), keepdims=True)
    light, warm, green = fields[:, 0], 0.25 * fields[:, 1], 0.15 * fields[:, 2]
    colours = np.stack([light + warm, light + green, light - warm], axis=-1)
    mean, contrast = rng.uniform(70, 180, (n, 1, 1, 1)), rng.uniform(20, 60, (n, 1, 1, 1))
    noise = 3 * rng.standard_normal((n, SIDE, SIDE, 1)) + rng.standard_normal((n, SIDE, SIDE, 3))
    return np.clip(np.rint(mean + contrast * colours + noise), 0, 255).astype(np.uint8)


def encoded(image, options):
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def encode(group):
    images = [Image.fromarray(pixels) for pixels in photos(group)]
    return {name: [encoded(image, options) for image in images] for name, options in FORMATS.items()}


def make(pool, folder):
    schema = pa.schema([
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.int64()),
    ])
    folder = pathlib.Path(folder)
    writers = {name: pq.ParquetWriter(folder / f"{name}.parquet", schema) for name in FORMATS}
    sizes = dict.fromkeys(FORMATS, 0)
    for group, files in enumerate(pool.imap(encode, range(groups()))):
        for name, all in files.items():
            first = group * GROUP
            rows = [{"bytes": one, "path": f"{first + i}.{name}"} for i, one in enumerate(all)]
            labels = [(first + i) % CLASSES for i in range(len(all))]
            writers[name].write_table(pa.table({"image": rows, "label": labels}, schema=schema))
            sizes[name] += sum(map(len, all))
    for writer in writers.values():
        writer.close()
    return {"bytes": {name: size / COUNT for name, size in sizes.items()}}


def groups():
    return -(-COUNT // GROUP)


def decode(task):
    """Decodes a row group into its place; its labels."""
    path, group = task
    table = pq.ParquetFile(path).read_row_group(group, use_threads=False)
    files = table.column("image").combine_chunks().field("bytes").to_pylist()
    for at, file in enumerate(files, group * GROUP):
        DECODED[at] = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    return table.column("label").to_numpy()


def decode_all(pool, path, processes):
    tasks = [(path, group) for group in range(groups())]
    start = time.perf_counter()
    labels = np.concatenate(list(map(decode, tasks) if processes == 1 else pool.map(decode, tasks, chunksize=1)))
    seconds = time.perf_counter() - start
    assert np.array_equal(labels, np.arange(COUNT) % CLASSES)
    return {"seconds": seconds}


def samples():
    """Arrays of bytes [H, W] or [H, W, C] with their names, of what needs no network."""
    import skimage
    from sklearn.datasets import load_sample_images

    folders = [pathlib.Path(skimage.__file__).parent / "data", pathlib.Path(skimage.data.data_dir)]
    found = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*"))):
        if path.suffix not in (".png", ".jpg", ".jpeg") or path.name in found:
            continue
        with Image.open(path) as image:
            if image.mode in ("L", "RGB", "RGBA") and min(image.size) >= LEAST:
                found[path.name] = np.asarray(image)
    sets = load_sample_images()
    found |= {pathlib.Path(name).name: pixels for name, pixels in zip(sets.filenames, sets.images)}
    return found


def pictures(folder):
    found = samples()
    for i, pixels in enumerate(found.values()):
        path = pathlib.Path(folder) / "ab"[i % 2] / f"{i:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return {"names": list(found), "sizes": [pixels.shape[:2] for pixels in found.values()]}


def resize(folder, shorter, crop, filter, pil, tensor, twice):
    import torch
    from torchvision import transforms

    torch.set_num_threads(THREADS)
    mode = transforms.InterpolationMode(filter)
    cut = transforms.CenterCrop(crop)
    whole = transforms.Resize(shorter, mode, antialias=True)
    files = sorted(pathlib.Path(folder).glob("*/*.png"), key=lambda path: path.name)
    images = [Image.open(path).convert("RGB") for path in files]
    to_tensor = transforms.ToTensor()

    def in_passes(tensor):
        _, h, w = whole(tensor).shape
        for size in (tensor.shape[1], w), (h, w):
            tensor = transforms.Resize(size, mode, antialias=True)(tensor).clamp(0, 1)
        return tensor

    def write(pictures, file):
        torch.stack(list(pictures)).numpy().tofile(file)

    write((to_tensor(cut(whole(image))) for image in images), pil)
    write((cut(whole(to_tensor(image))) for image in images), tensor)
    write((cut(in_passes(to_tensor(image))) for image in images), twice)
    return {"count": len(files)}


def versions():
    from importlib.metadata import version

    packages = ["pyarrow", "torch", "torchvision", "scikit-image", "scikit-learn"]
    return f"Pillow {PIL.__version__}, " + ", ".join(f"{name} {version(name)}" for name in packages)


def main():
    with multiprocessing.get_context("fork").Pool(THREADS) as pool:
        # A task each: the processes have started.
        pool.map(time.sleep, [0.05] * THREADS, chunksize=1)
        print(json.dumps({"versions": versions()}), flush=True)
        for line in sys.stdin:
            match json.loads(line):
                case {"make": folder}:
                    answer = make(pool, folder)
                case {"decode": path, "processes": processes}:
                    answer = decode_all(pool, path, processes)
                case {"keep": path}:
                    DECODED.tofile(path)
                    answer = {"shape": DECODED.shape}
                case {"pictures": folder}:
                    answer = pictures(folder)
                case {"resize": folder, **how}:
                    answer = resize(folder, **how)
                case request:
                    raise ValueError(f"unknown request {request}")
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
