"""Small image sets of every kind, and what is to be read of each.

Run it with Pillow, numpy, pyarrow and datasets at hand; it rewrites data/, expected.json and VERSIONS.txt beside it (seconds):

    .venv-bench/bin/python tests/golden/images/make.py

Image i of a set has the grey value 10 i at its upper left pixel, and others elsewhere: (i, row, column) of
`pixels`. expected.json has an object for each set:

    data       what --data is told, in the folder data/
    options    options of the loader that are not usual ones
    shape      [C, H, W]
    values     the upper left pixel of each image in the order read, times 255 and rounded, of its first channel
    classes    the name of each image's class; null where targets are real numbers or there are none
    targets    real targets [N][K], where there are
    notes      words that the notes must have, one entry a note; absent for no note
    aside      files left aside, by kind; absent for none
    refused    in place of all that: words that the error must have
"""

import gzip
import io
import json
import pathlib
import pickle
import platform
import shutil
import struct
import tarfile

import datasets
import numpy as np
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE / "data"
SETS = {}
H, W = 5, 6


def pixels(i, channels=3):
    y, x = np.mgrid[0:H, 0:W]
    planes = [np.where((y == 0) & (x == 0), 10 * i, (40 * c + 9 * y + 7 * x + 3 * i) % 256) for c in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def encoded(i, format="PNG"):
    out = io.BytesIO()
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(format, {})
    picture = pixels(i)
    if format == "JPEG":
        picture[:] = 10 * i
    image = Image.fromarray(picture)
    (image.quantize(256) if format == "GIF" else image).save(out, format, **options)
    return out.getvalue()


def put(path, data):
    path = DATA / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def read(name, data, values, classes, shape=(3, H, W), options=None, notes=None, aside=None, targets=None):
    entry = dict(data=data, shape=list(shape), values=[10 * v for v in values], classes=classes)
    for key, value in (("options", options), ("notes", notes), ("aside", aside), ("targets", targets)):
        if value:
            entry[key] = value
    SETS[name] = entry


def refused(name, data, words, options=None):
    SETS[name] = dict(data=data, refused=words, **({"options": options} if options else {}))


def folders():
    formats = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP", "gif": "GIF"}
    for i, (end, format) in enumerate(formats.items()):
        put(f"formats/{'ab'[i % 2]}/{i}.{end}", encoded(i, format))
    read("formats", "folder:formats", range(6), list("ababab"))
    for i in range(4):
        put(f"splits/{'seg_train' if i < 2 else 'Testing'}/{'ab'[i % 2]}/{i}", encoded(i))
    read("splits", "folder:splits", [0, 1], ["a", "b"], notes=["seg_train"])
    read("splits_test", "folder:splits", [2, 3], ["a", "b"], options={"split": "test"}, notes=["Testing"])
    refused("splits_none", "folder:splits", ["'extra'", "Testing, seg_train"], {"split": "extra"})
    for i, place in enumerate(["a/x/0.png", "b/1.png", "b/y/2.png"]):
        put(f"below/{place}", encoded(i))
    read("below", "folder:below", [0, 1, 2], ["a", "b", "b"], notes=["2 directories below"])
    for i in range(2):
        put(f"stray/{'ab'[i]}/{i}.png", encoded(i))
    put("stray/__MACOSX/._a", b"x")
    put("stray/readme.md", b"x")
    put("stray/cover.png", encoded(9))
    put("stray/b/list.txt", b"x")
    put("stray/b/photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0")
    read("stray", "folder:stray", [0, 1], ["a", "b"], notes=["__MACOSX"],
         aside={".md": 1, ".txt": 1, "HEIC": 1, "images in no class": 1})
    for i, place in enumerate(["train/0.png", "test/1.png"]):
        put(f"splits_alone/{place}", encoded(i))
    refused("splits_alone", "folder:splits_alone", ["<split>/<class>", "test, train"])
    for i, place in enumerate(["bus/0.png", "train/day/1.png", "train/night/2.png"]):
        put(f"vehicles/{place}", encoded(i))
    read("vehicles", "folder:vehicles", [1, 2], ["day", "night"], notes=["bus beside it"])
    for i, place in enumerate(["bottle/train/good/0.png", "bottle/test/bad/1.png", "cable/train/good/2.png"]):
        put(f"parts_below/{place}", encoded(i))
    refused("parts_below", "folder:parts_below", ["bottle/test", "the name of a split"])
    put("page/a/0.png", encoded(0))
    put("page/b/1.png", encoded(1))
    put("page/b/2.jpg", b"<!DOCTYPE html><html></html>")
    refused("page", "folder:page", ["2.jpg", "a web page", "--skip-bad"])
    read("page_skipped", "folder:page", [0, 1], ["a", "b"], options={"skip_bad": True}, notes=[])
    put("bare/0.png", encoded(0))
    put("bare/1.png", encoded(1))
    refused("bare", "folder:bare", ["one directory per class", "no labels"])
    read("bare_unlabelled", "folder:bare", [0, 1], None, options={"labels": False})


def struct_of(images, paths=False):
    held = [{"bytes": None if paths else data, "path": f"{i}.png"} for i, data in enumerate(images)]
    return pa.array(held, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def table(name, columns, features=None, **options):
    table = pa.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    put(name, out.getvalue())


def parquets():
    images = [encoded(i) for i in range(4)]
    held = struct_of(images)
    ids = pa.array([10, 11, 12, 13], pa.int64())
    some = pa.array([0, 1, 0, 1], pa.int64())
    names = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    table("hf.parquet", {"image": held, "label": some}, names)
    read("hf", "parquet:hf.parquet", range(4), ["cat", "dog", "cat", "dog"])
    table("texts.parquet", {"image": held, "image_id": ids, "label": pa.array(["ox", "cat", "ox", "ox"])})
    read("texts", "parquet:texts.parquet", range(4), ["ox", "cat", "ox", "ox"], notes=["sorted names: cat, ox"])
    table("dictionary.parquet", {"image": held, "label": pa.array(["b", "a", "b", "b"]).dictionary_encode()})
    read("dictionary", "parquet:dictionary.parquet", range(4), ["b", "a", "b", "b"], notes=["sorted names"])
    table("truths.parquet", {"image": held, "label": pa.array([True, False, True, True])})
    read("truths", "parquet:truths.parquet", range(4), ["true", "false", "true", "true"], notes=["false, true"])
    table("floats.parquet", {"image": held, "label": pa.array([2.0, 1.0, 2.0, 1.0])})
    read("floats", "parquet:floats.parquet", range(4), ["2", "1", "2", "1"], notes=["without samples: 0"])
    table("lone.parquet", {"image": held, "kind": some, "text": pa.array(list("abcd"))})
    read("lone", "parquet:lone.parquet", range(4), ["0", "1", "0", "1"], notes=["those of kind"])
    read("said", "parquet:lone.parquet", range(4), list("abcd"), options={"labels_at": "text"}, notes=["sorted names"])
    table("numbers.parquet", {"image": held, "image_id": ids})
    refused("numbers", "parquet:numbers.parquet", ["image_id", "--labels"])
    table("several.parquet", {"image": held, "a": some, "b": some})
    refused("several", "parquet:several.parquet", ["found a, b", "--labels"])
    lists = pa.array([[0, 1], [1], [0], [1]], pa.list_(pa.int64()))
    table("other_kind.parquet", {"image": held, "label": lists, "width": some})
    refused("other_kind", "parquet:other_kind.parquet", ["label", "holds neither"])
    table("columns/0.parquet", {"image": held, "label": some})
    table("columns/1.parquet", {"image": held, "class": some, "target": some})
    refused("columns", "parquet:columns", ["1.parquet", "the same columns", "image.bytes and class"])
    twice = {"label": {"names": ["crane", "crane", "ox"], "_type": "ClassLabel"}}
    table("twice.parquet", {"image": held, "label": pa.array([0, 1, 0, 1], pa.int64())}, twice)
    read("twice", "parquet:twice.parquet", range(4), ["crane"] * 4, notes=["without samples: ox"])
    table("nulls.parquet", {"image": held, "label": pa.array([0, None, 1, 0], pa.int64())})
    read("nulls", "parquet:nulls.parquet", [0, 2, 3], ["0", "1", "0"], notes=["1 of 4 images without a label"])
    table("minus.parquet", {"image": held, "label": pa.array([0, 1, -1, 1], pa.int64())}, names)
    read("minus", "parquet:minus.parquet", [0, 1, 3], ["cat", "dog", "dog"], notes=["1 of 4 images without a label"])
    table("signs.parquet", {"image": held, "label": pa.array([1, -1, 1, -1], pa.int64())})
    read("signs", "parquet:signs.parquet", range(4), ["1", "-1", "1", "-1"], notes=["two classes"])
    table("hidden.parquet", {"image": held, "label": pa.array([-1] * 4, pa.int64())})
    refused("hidden", "parquet:hidden.parquet", ["null or -1 for all 4 images"])
    read("hidden_unlabelled", "parquet:hidden.parquet", range(4), None, options={"labels": False})
    nan = pa.array([0.0, float("nan"), 1.0, 0.0])
    table("nan.parquet", {"image": held, "label": nan})
    read("nan", "parquet:nan.parquet", [0, 2, 3], ["0", "1", "0"], notes=["1 of 4 images without a label"])
    thumbs = struct_of([encoded(9)] * 4)
    table("thumbs.parquet", {"thumb": thumbs, "image": pa.array(images, pa.binary()), "label": some})
    read("thumbs", "parquet:thumbs.parquet", range(4), ["0", "1", "0", "1"])
    table("bytes.parquet", {"picture": pa.array(images, pa.binary()), "label": some})
    read("bytes", "parquet:bytes.parquet", range(4), ["0", "1", "0", "1"])
    table("paths.parquet", {"image": struct_of(images, paths=True), "label": some})
    refused("paths", "parquet:paths.parquet", ["row 0", "found 0.png", "the path of a file in its folder"])
    table("photos/paths.parquet", {"image": struct_of(images, paths=True), "label": some})
    for i, data in enumerate(images):
        put(f"photos/{i}.png", data)
    read("paths_beside", "parquet:photos/paths.parquet", range(4), ["0", "1", "0", "1"])
    outside = pa.array([{"bytes": None, "path": "../photos/0.png"}] * 4, held.type)
    table("outside.parquet", {"image": outside, "label": some})
    refused("outside", "parquet:outside.parquet", ["row 0", "../photos/0.png"])
    one = pa.list_(held.type)
    table("lists.parquet", {"image": pa.array([[{"bytes": data, "path": None}] for data in images], one), "label": some})
    read("lists", "parquet:lists.parquet", range(4), ["0", "1", "0", "1"])
    two = [[{"bytes": data, "path": None}] * (1 + i // 2) for i, data in enumerate(images)]
    table("several_images.parquet", {"image": pa.array(two, one), "label": some})
    refused("several_images", "parquet:several_images.parquet", ["row 2", "one image in each row"])
    empty = [[{"bytes": data, "path": None}] * (i != 1) for i, data in enumerate(images)]
    table("no_image.parquet", {"image": pa.array(empty, one), "label": some})
    refused("no_image", "parquet:no_image.parquet", ["row 1", "null"])
    for how in ("snappy", "gzip", "brotli", "lz4", "zstd"):
        table(f"{how}.parquet", {"image": held, "label": some}, names, compression=how)
        read(how, f"parquet:{how}.parquet", range(4), ["cat", "dog", "cat", "dog"])
    table("parts/data/train-00000-of-00001.parquet", {"image": held, "label": some}, names)
    other = {"image": struct_of([encoded(7), encoded(8)]), "label": pa.array([0, 1], pa.int64())}
    table("parts/data/valid-00000-of-00001.parquet", other, names)
    read("parts", "parquet:parts", range(4), ["cat", "dog", "cat", "dog"])
    read("parts_validation", "parquet:parts", [7, 8], ["cat", "dog"], options={"split": "validation"})
    refused("parts_test", "parquet:parts", ["'test'", "train, valid"], {"split": "test"})


def dataset(images, labels, kind, split=None):
    held = [{"bytes": data, "path": None} for data in images]
    features = datasets.Features({"image": datasets.Image(), "label": kind})
    return datasets.Dataset.from_dict({"image": held, "label": labels}, features=features, split=split)


def saved(name, held):
    """What save_to_disk writes, with nothing in it that changes from run to run."""
    held.save_to_disk(DATA / name)
    for state in (DATA / name).rglob("state.json"):
        told = json.loads(state.read_text())
        told["_fingerprint"] = "0" * 16
        state.write_text(json.dumps(told, indent=2, sort_keys=True))


def stream(name, schema, *batches, file=False):
    out = io.BytesIO()
    with (pa.ipc.new_file if file else pa.ipc.new_stream)(out, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    put(name, out.getvalue())


def arrows():
    images = [encoded(i) for i in range(4)]
    cats = ["cat", "dog", "cat", "dog"]
    names = datasets.ClassLabel(names=["cat", "dog"])
    whole = dataset(images, [0, 1, 0, 1], names)
    saved("saved", whole)
    read("saved", "arrow:saved", range(4), cats)
    test = dataset([encoded(7), encoded(8)], [1, 0], names, split="test")
    saved("saved_parts", datasets.DatasetDict(train=whole, test=test))
    read("saved_parts", "arrow:saved_parts", range(4), cats)
    read("saved_parts_test", "arrow:saved_parts", [7, 8], ["dog", "cat"], options={"split": "test"})
    refused("saved_parts_validation", "arrow:saved_parts", ["'validation'", "train, test"], {"split": "validation"})
    refused("saved_test", "arrow:saved_parts/test", ["state.json", "the split 'train'", "found test"])
    read("saved_test_said", "arrow:saved_parts/test", [7, 8], ["dog", "cat"], options={"split": "test"})
    hidden = dataset(images, [-1] * 4, names)
    saved("saved_hidden", hidden)
    refused("saved_hidden", "arrow:saved_hidden", ["null or -1 for all 4 images"])
    read("saved_hidden_unlabelled", "arrow:saved_hidden", range(4), None, options={"labels": False})
    words = dataset(images, ["ox", None, "ox", "cat"], datasets.Value("string"))
    saved("saved_words", words)
    read("saved_words", "arrow:saved_words", [0, 2, 3], ["ox", "ox", "cat"], notes=["1 of 4", "sorted names: cat, ox"])
    held = struct_of(images)
    labels = {
        "u1": pa.array([0, 1, 0, 1], pa.uint8()),
        "floats": pa.array([1.0, 2.0, 1.0, 2.0]),
        "truths": pa.array([True, False, True, True]),
        "dictionary": pa.array(["b", "a", None, "b"]).dictionary_encode(),
    }
    wanted = {
        "u1": (range(4), list("0101"), []),
        "floats": (range(4), list("1212"), ["without samples: 0"]),
        "truths": (range(4), ["true", "false", "true", "true"], ["false, true"]),
        "dictionary": ([0, 1, 3], list("bab"), ["1 of 4", "sorted names: a, b"]),
    }
    for name, column in labels.items():
        batch = pa.record_batch({"image": held, "label": column})
        stream(f"{name}.arrow", batch.schema, batch)
        values, classes, notes = wanted[name]
        read(f"arrow_{name}", f"arrow:{name}.arrow", values, classes, notes=notes)
    plain = pa.record_batch({"picture": pa.array(images, pa.large_binary()), "label": labels["u1"]})
    stream("footer.arrow", plain.schema, plain.slice(0, 1), plain.slice(1), file=True)
    read("arrow_footer", "arrow:footer.arrow", range(4), list("0101"))
    stream("cache/set-train-00000-of-00001.arrow", plain.schema, plain)
    stream("cache/set-test.arrow", plain.schema, plain.slice(2))
    stream("cache/cache-12ab.arrow", plain.schema, plain.slice(3))
    read("arrow_cache", "arrow:cache", [2, 3], list("01"), options={"split": "test"}, notes=["1 files"])
    out = io.BytesIO()
    with pa.ipc.new_file(out, plain.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_batch(plain)
    put("packed.arrow", out.getvalue())
    refused("arrow_packed", "arrow:packed.arrow", ["packed.arrow", "lz4"])
    thumbs = struct_of([encoded(9)] * 4)
    two = pa.record_batch({"thumb": thumbs, "image": pa.array(images, pa.binary()), "label": labels["u1"]})
    stream("two_images.arrow", two.schema, two)
    read("arrow_two_images", "arrow:two_images.arrow", range(4), list("0101"))
    half = pa.record_batch({"image": held, "label": pa.array([0.0, float("nan"), 1.0, 0.0])})
    stream("half.arrow", half.schema, half)
    read("arrow_nan", "arrow:half.arrow", [0, 2, 3], list("010"), notes=["1 of 4 images without a label"])
    outside = pa.record_batch({"image": struct_of(images, paths=True), "label": labels["u1"]})
    stream("photos.arrow", outside.schema, outside)
    refused("arrow_paths", "arrow:photos.arrow", ["row 0", "found 0.png"])


def tars(name, members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for key, data in members:
            info = tarfile.TarInfo(key)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    put(f"{name}.tar", out.getvalue())
    return f"webdataset:{name}.tar"


def webdatasets():
    def samples(end, labels, first=0):
        for i, label in enumerate(labels, start=first):
            yield f"{i:04}.png", encoded(i)
            yield f"{i:04}.{end}", label.encode()

    read("wds_cls", tars("cls", samples("cls", "0101")), range(4), list("0101"))
    words = tars("words", samples("cls", ["ox", "cat", "ox", "cat"]))
    read("wds_words", words, range(4), ["ox", "cat", "ox", "cat"], notes=["sorted names: cat, ox"])
    told = [json.dumps({"label": i % 2, "width": 6, "caption": "x"}) for i in range(4)]
    read("wds_json", tars("json", samples("json", told)), range(4), list("0101"))
    captions = tars("captions", samples("txt", list("abab")))
    refused("wds_captions", captions, ["--labels", "txt"])
    read("wds_said", captions, range(4), list("abab"), options={"labels_at": "txt"}, notes=["sorted names: a, b"])
    two = [("0.png", encoded(0)), ("0.jpg", encoded(1)), ("0.cls", b"1")]
    refused("wds_two", tars("two_images", two), ["0.jpg, 0.png", "several images"])
    some = list(samples("cls", "01")) + [("0009.png", encoded(9)), ("list.csv", b"x")]
    read("wds_some", tars("some", some), [0, 1], list("01"), notes=["1 of 3 images"], aside={".csv without an image": 1})
    tars("wds/set-train-000000", samples("cls", "01"))
    tars("wds/set-train-000001", samples("cls", "01", 2))
    tars("wds/set-val-000000", samples("cls", "10", 7))
    read("wds_shards", "webdataset:wds", range(4), list("0101"))
    read("wds_shards_val", "webdataset:wds", [7, 8], list("10"), options={"split": "validation"})
    refused("wds_shards_test", "webdataset:wds", ["'test'", "train, val"], {"split": "test"})
    put("gzipped.tar", gzip.compress((DATA / "cls.tar").read_bytes(), mtime=0))
    refused("wds_gzipped", "webdataset:gzipped.tar", ["gunzip"])


def arrays(name, **held):
    out = io.BytesIO()
    np.savez_compressed(out, **held)
    put(f"{name}.npz", out.getvalue())
    return f"npz:{name}.npz"


def npz():
    stack = np.stack([pixels(i) for i in range(4)])
    grey, planar = stack[..., 0], stack.transpose(0, 3, 1, 2)
    y, four = np.array([0, 1, 0, 1]), ["0", "1", "0", "1"]
    read("nhw", arrays("nhw", X=grey, y=y), range(4), four, (1, H, W))
    read("nchw", arrays("nchw", x=planar, y=y), range(4), four)
    read("nhwc", arrays("nhwc", images=stack, labels=y), range(4), four)
    rgba = np.concatenate([stack, np.full((4, H, W, 1), 9, np.uint8)], axis=-1)
    read("rgba", arrays("rgba", images=rgba, targets=y), range(4), four, notes=["alpha"])
    both = np.concatenate([grey[:, None, :3, :3]] * 3, axis=1)
    read("both", arrays("both", X=both, y=y), range(4), four, (3, 3, 3), notes=["channels, rows, columns"])
    volume = arrays("volume", X=np.stack([grey] * 7, axis=1), y=y)
    refused("volume", volume, ["--layout"])
    read("volume_said", volume, range(4), four, (7, H, W), options={"layout": "nchw"})
    flat = np.zeros((4, 25), np.uint8)
    flat[:, 0] = [0, 10, 20, 30]
    read("flat", arrays("flat", data=flat, target=y), range(4), four, (1, 5, 5), notes=["5×5"])
    refused("flat_other", arrays("flat_other", data=np.zeros((4, 26), np.uint8), target=y), ["(N, H, W)"])
    read("positions", arrays("positions", arr_0=stack, arr_1=y), range(4), four)
    for dtype in ("<u2", ">u2", "<i8", "<f2", "<f4", ">f8"):
        kind = {"u": 257, "i": 1, "f": 1 / 255}[dtype[1]]
        name = "types_" + dtype[1:] + ("_big" if dtype[0] == ">" else "")
        held = (grey.astype(np.float64) * kind).astype(dtype)
        read(name, arrays(name, X=held, y=y), range(4), four, (1, H, W), notes=["bytes as i8"] if "i8" in dtype else [])
    read("fortran", arrays("fortran", X=np.asfortranarray(stack), y=y), range(4), four)
    beyond = arrays("beyond", X=grey.astype(np.float32), y=y)
    SETS["beyond"] = dict(data=beyond, shape=[1, H, W], values=[0, 2550, 5100, 7650], classes=four, notes=["--divide-by 255"])
    read("divided", beyond, range(4), four, (1, H, W), options={"divide_by": 255})
    refused("wide", arrays("wide", X=grey.astype(np.int32) * 9, y=y), ["--divide-by", "i4"])
    read("from_one", arrays("from_one", X=grey, y=y + 1), range(4), ["1", "2", "1", "2"], (1, H, W), notes=["without samples: 0"])
    read("column", arrays("column", X=grey, y=y[:, None]), range(4), four, (1, H, W))
    read("float_labels", arrays("float_labels", X=grey, y=y.astype(np.float32)), range(4), four, (1, H, W))
    read("truth_labels", arrays("truth_labels", X=grey, y=y == 1), range(4), four, (1, H, W))
    read("one_hot", arrays("one_hot", X=grey, y=np.eye(2, dtype=np.int64)[y]), range(4), four, (1, H, W))
    words = np.array(["dog", "cat", "dog", "dog"])
    read("words", arrays("words", X=grey, y=words), range(4), words.tolist(), (1, H, W), notes=["sorted names: cat, dog"])
    short = arrays("byte_words", X=grey, y=words.astype("S"))
    read("byte_words", short, range(4), words.tolist(), (1, H, W), notes=["sorted names: cat, dog"])
    big = words.astype(">U3")
    read("words_big", arrays("words_big", X=grey, y=big), range(4), words.tolist(), (1, H, W), notes=["sorted names"])
    refused("text_pixels", arrays("text_pixels", X=words, y=y), ["an array of numbers"])
    many = np.array([[1, 1], [0, 0], [0, 1], [1, 1]])
    read("many", arrays("many", X=grey, y=many), range(4), None, (1, H, W), targets=many.astype(float).tolist())
    some = arrays("some_labels", X=grey, y=np.array([0, -1, 1, 0]))
    read("some_labels", some, [0, 2, 3], ["0", "1", "0"], (1, H, W), notes=["1 of 4 images without a label"])
    read("sign_labels", arrays("sign_labels", X=grey, y=2 * y - 1), range(4), ["-1", "1", "-1", "1"], (1, H, W), notes=["two classes"])
    rows = arrays("rows", X=grey.reshape(4, -1), y=y)
    refused("rows", rows, ["(N, H, W)", "--layout HxW"])
    read("rows_said", rows, range(4), four, (1, H, W), options={"layout": f"{H}x{W}"})
    refused("rows_wrong", rows, ["rows of 7x7 numbers", "rows of 30"], {"layout": "7x7"})
    by_pixel = arrays("by_pixel", X=stack.reshape(4, -1), y=y)
    read("by_pixel", by_pixel, range(4), four, options={"layout": f"{H}x{W}x3"})
    by_channel = arrays("by_channel", X=planar.reshape(4, -1), y=y)
    read("by_channel", by_channel, range(4), four, options={"layout": f"3x{H}x{W}"})
    for key, array in {"X_train": grey[:2], "y_train": y[:2], "X_test": grey[2:], "y_test": 1 - y[2:], "other": y}.items():
        out = io.BytesIO()
        np.save(out, array)
        put(f"npy/{key}.npy", out.getvalue())
    read("npy", "npz:npy", [0, 1], ["0", "1"], (1, H, W))
    read("npy_test", "npz:npy", [2, 3], ["1", "0"], (1, H, W), options={"split": "test"})
    refused("npy_validation", "npz:npy", ["X_test, X_train, other"], {"split": "validation"})
    read("npy_file", "npz:npy/X_test.npy", [2, 3], ["1", "0"], (1, H, W))
    refused("npy_other", "npz:npy/other.npy", ["labels beside other.npy", "--labels FILE"])
    for key, array in {"images": grey, "labels": y, "y": 1 - y}.items():
        out = io.BytesIO()
        np.save(out, array)
        put(f"npy_both/{key}.npy", out.getvalue())
    read("npy_both", "npz:npy_both/images.npy", range(4), four, (1, H, W), notes=["there is y, too"])
    read("npy_said", "npz:npy/X_test.npy", [2, 3], ["0", "1"], (1, H, W), options={"labels_at": "y_train"})
    read("npy_elsewhere", "npz:npy/X_test.npy", [2, 3], ["0", "1"], (1, H, W), options={"labels_at": "npy/y_train.npy"})
    real = np.array([[0.5, -1], [2, 3], [0, 0], [1, 1]])
    read("real", arrays("real", X=grey, y=real), range(4), None, (1, H, W), targets=real.tolist())
    refused("half_labels", arrays("half_labels", X=grey, y=y + 0.5), ["index 0", "0.5"])
    refused("objects", arrays("objects", X=grey, y=np.array(list("abab"), dtype=object)), ["no objects"])
    alone = arrays("alone", X=grey)
    refused("alone", alone, ["X and y"])
    read("alone_unlabelled", alone, range(4), None, (1, H, W), options={"labels": False})
    two = arrays("two", X=grey, y=y, kind=1 - y)
    read("two_said", two, range(4), ["1", "0", "1", "0"], (1, H, W), options={"labels_at": "kind"})
    splits = arrays("medical", train_images=grey[:2], train_labels=y[:2], val_images=grey[2:], val_labels=y[2:])
    read("medical", splits, [0, 1], ["0", "1"], (1, H, W))
    read("medical_validation", splits, [2, 3], ["0", "1"], (1, H, W), options={"split": "validation"})


def idx_file(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape) + array.tobytes()


def idx():
    stack = np.stack([pixels(i) for i in range(2)])
    put("mnist/train-images-idx3-ubyte", idx_file(stack[..., 0]))
    put("mnist/train-labels-idx1-ubyte", idx_file(np.array([0, 1], np.uint8)))
    read("mnist", "idx:mnist/train-images-idx3-ubyte", [0, 1], ["0", "1"], (1, H, W))
    read("idx_folder", "idx:mnist", [0, 1], ["0", "1"], (1, H, W))
    refused("idx_folder_test", "idx:mnist", ["'test'", "train-images-idx3-ubyte"], {"split": "test"})
    rows = np.array([[1, 7], [0, 7]], ">i4")
    put("qmnist/q-train-images-idx3-ubyte", idx_file(stack[..., 0]))
    put("qmnist/q-train-labels-idx2-int", bytes([0, 0, 12, 2]) + struct.pack(">II", 2, 2) + rows.tobytes())
    read("qmnist", "idx:qmnist/q-train-images-idx3-ubyte", [0, 1], ["1", "0"], (1, H, W))
    put("alone/x-images-idx4-ubyte", idx_file(stack))
    refused("idx_alone", "idx:alone/x-images-idx4-ubyte", ["labels beside it"])
    read("idx_said", "idx:alone/x-images-idx4-ubyte", [0, 1], ["0", "1"],
         options={"labels_at": "mnist/train-labels-idx1-ubyte"})


def cifar():
    def batch(i):
        data = np.full((1, 3072), 10 * i, np.uint8)
        return pickle.dumps({b"data": data, b"labels": [i % 2]}, protocol=2)

    for i in range(5):
        put(f"cifar/data_batch_{i + 1}", batch(i))
    put("cifar/test_batch", batch(5))
    five = ["0", "1", "0", "1", "0"]
    read("cifar", "cifar:cifar", range(5), five, (3, 32, 32), notes=["8 of 10 classes"])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in [f"data_batch_{i + 1}" for i in range(5)] + ["test_batch"]:
            data = (DATA / "cifar" / name).read_bytes()
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    put("cifar-10-python.tar.gz", gzip.compress(out.getvalue(), mtime=0))
    read("cifar_packed", "cifar:cifar-10-python.tar.gz", range(5), five, (3, 32, 32), notes=["8 of 10 classes"])
    put("cifar_other.tar.gz", gzip.compress((DATA / "cls.tar").read_bytes(), mtime=0))
    refused("cifar_other", "cifar:cifar_other.tar.gz", ["none of its files"])
    for i in range(2):
        data = np.full((1, 3, 32, 32), 10 * i, np.uint8)
        part = pickle.dumps({b"data": np.concatenate([data, data]), b"fine_labels": [i, 7]}, protocol=2)
        put(f"cifar_axes/{['train', 'test'][i]}", part)
    read("cifar_axes", "cifar:cifar_axes", [0, 0], ["0", "7"], (3, 32, 32), notes=["98 of 100 classes"])


if __name__ == "__main__":
    shutil.rmtree(DATA, ignore_errors=True)
    folders()
    parquets()
    arrows()
    webdatasets()
    npz()
    idx()
    cifar()
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in SETS.items())
    (HERE / "expected.json").write_text("{\n" + lines + "\n}\n")
    (HERE / "VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nPillow {PIL.__version__}\nNumPy {np.__version__}\npyarrow {pa.__version__}\n"
        f"datasets {datasets.__version__}\n"
    )
    size = sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file())
    print(f"{len(SETS)} sets, {size} bytes")
