"""Small checkpoints of every kind that torch.save and safetensors write, and what PyTorch reads of them.

Run it with PyTorch, NumPy and safetensors at hand; it rewrites data/, expected.json and VERSIONS.txt
beside it (a few seconds):

    .venv-bench/bin/python tests/golden/weights/make.py

expected.json: {"files": {file: case}}, and a case is either {"refused": [words of the error]} or

    format           zip, legacy, safetensors or shards
    key              where the tensors are in the object that was saved, or null
    others, beside   keys with other tensors, and keys without
    stripped         prefixes that are taken off, and wrappers inside of names
    inert            functions and classes that the file names and its reader does not know
    composed         parameters that are computed of their parts
    outside          starts of other names than those of the network
    skipped          {name: kind} of what is no tensor that can be read
    tensors          [name, dtype, shape, FNV-1a hash (64 bits) of the numbers row by row, little-endian], in order

    near             {name: numbers} that PyTorch computed otherwise, so that the last bits differ

The last four only where there are any. The tensors are those that torch.load(weights_only=True)
gives, but for files that it cannot read, where they are those that were saved; of a network its
state_dict.
"""

import argparse
import collections
import datetime
import enum
import functools
import io
import json
import os
import pathlib
import pickle
import pickletools
import platform
import shutil
import struct
import tarfile
import types
import zipfile

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.utils.prune

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE / "data"

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
# Without storages of their own in the legacy format.
RARE = {
    torch.uint16: "U16",
    torch.uint32: "U32",
    torch.uint64: "U64",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}


def fnv1a(bytes):
    """The 64-bit FNV-1a hash, in hexadecimal digits."""
    hash = 0xCBF29CE484222325
    for byte in bytes:
        hash = (hash ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{hash:016x}"


def row(name, tensor):
    tensor = tensor.detach().contiguous()
    numbers = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else torch.empty(0, dtype=torch.uint8)
    return [name, (DTYPES | RARE)[tensor.dtype], list(tensor.shape), fnv1a(numbers.numpy().tobytes())]


def case(tensors, format, key=None, stripped=(), skipped=None, others=(), beside=(), **rare):
    rows = []
    for name, tensor in tensors.items():
        for prefix in stripped:
            # A wrapper inside of names is said with what it follows.
            start, wrapper = prefix[: prefix.rfind(".", 0, -1) + 1], prefix[prefix.rfind(".", 0, -1) + 1 :]
            name = start + name.removeprefix(prefix) if start and name.startswith(prefix) else name.removeprefix(wrapper)
        rows.append(row(name, tensor))
    return dict(
        format=format,
        key=key,
        others=list(others),
        beside=list(beside),
        stripped=list(stripped),
        skipped=skipped or {},
        tensors=rows,
        **{name: list(values) for name, values in rare.items() if values},
    )


def dig(object, key):
    for part in key.split(".") if key else []:
        object = object[int(part)] if isinstance(object, (list, tuple)) else object[part] if isinstance(object, dict) else getattr(object, part)
    return object


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(3, 4, 3),
            bn=torch.nn.BatchNorm2d(4),
            relu=torch.nn.ReLU(),
            flat=torch.nn.Flatten(),
            fc=torch.nn.Linear(4 * 4 * 4, 5),
        )
    )


def trained():
    """A network in DataParallel's names after a few steps of Adam."""
    net = network()
    wrapped = torch.nn.Module()
    wrapped.module = net
    optimiser = torch.optim.Adam(net.parameters())
    for _ in range(2):
        optimiser.zero_grad()
        net(torch.randn(8, 3, 6, 6)).square().mean().backward()
        optimiser.step()
    return wrapped, optimiser


def all_dtypes():
    torch.manual_seed(1)
    tensors = collections.OrderedDict()
    for dtype, name in DTYPES.items():
        x = torch.randn(3, 4) * 50
        tensors[name] = (x > 0) if dtype == torch.bool else x.to(dtype) if dtype != torch.uint8 else x.abs().to(dtype)
    tensors["special"] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    tensors["scalar"] = torch.tensor(3)
    tensors["empty"] = torch.zeros(2, 0, 3)
    tensors["größe"] = torch.ones(1, 2, 1, dtype=torch.float64)
    return tensors


def views():
    base = torch.arange(120, dtype=torch.float32)
    cube = base.reshape(4, 5, 6)
    image = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(2))
    shared = torch.arange(6, dtype=torch.int16)
    return collections.OrderedDict(
        transposed=cube.permute(2, 0, 1),
        slice=cube[1:3, ::2, 1:],
        column=cube[:, 2, 3],
        point=cube[3, 4, 5],
        last=image.to(memory_format=torch.channels_last),
        expanded=torch.tensor([1.5, 2.5]).reshape(2, 1).expand(2, 1000),
        tied=shared,
        tied_again=shared,
        reversed_axes=shared.reshape(2, 3).T,
        parameter=torch.nn.Parameter(cube[0, 0].clone()),
        # More numbers in a row than are gathered at a time.
        wide=torch.arange(10000, dtype=torch.int8)[::2].reshape(1, 5000),
    )


class Attack:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


FILES = {}


def write(name, object, format="zip", key=None, readable=True, **about):
    path = DATA / name
    torch.save(object, path, _use_new_zipfile_serialization=format == "zip")
    loaded = torch.load(path, weights_only=True) if readable else object
    held = dig(loaded, key)
    if isinstance(held, torch.nn.Module):
        held = held.state_dict()
    elif isinstance(held, torch.Tensor):
        held = {"tensor": held}
    elif isinstance(held, (list, tuple)):
        held = {str(i): item for i, item in enumerate(held) if isinstance(item, torch.Tensor)}
    tensors = {k: v for k, v in held.items() if k not in about.get("skipped", {}) and isinstance(k, str)}
    FILES[name] = case(tensors, format, key, **about)


KNOWN = {
    "collections OrderedDict", "collections defaultdict", "collections Counter", "_codecs encode", "numpy dtype",
    "numpy.core.multiarray scalar", "numpy._core.multiarray scalar",
    "numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct",
    "__builtin__ dict", "__builtin__ set", "__builtin__ frozenset",
    "torch Size", "torch device", "torch FloatStorage", "torch LongStorage", "torch float32",
    "__builtin__ getattr", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "torch._tensor _rebuild_from_type_v2",
}


def inert(name):
    """What a file of protocol 2 names, but for what makes tensors and plain data."""
    with zipfile.ZipFile(DATA / name) as archive:
        data = next(archive.read(entry) for entry in archive.namelist() if entry.endswith("/data.pkl"))
    named = {arg for op, arg, _ in pickletools.genops(data) if op.name == "GLOBAL"}
    return sorted(arg.replace(" ", ".") for arg in named - KNOWN)


def script(name, object, key=None, **about):
    """A file that holds objects of classes, as training scripts leave it."""
    write(name, object, key=key, readable=False, **about)
    FILES[name]["inert"] = inert(name)


def refused(name, object, *words, legacy=False):
    torch.save(object, DATA / name, _use_new_zipfile_serialization=not legacy)
    FILES[name] = {"refused": list(words)}


def raw(name, bytes, *words):
    (DATA / name).write_bytes(bytes)
    FILES[name] = {"refused": list(words)}


def rezip(name, source, compression, key=None, **about):
    """The same records, compressed or with other ones."""
    with zipfile.ZipFile(DATA / source) as old, zipfile.ZipFile(DATA / name, "w", compression) as new:
        for entry in old.namelist():
            new.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), old.read(entry), compression)
    FILES[name] = dict(FILES[source], **about)


def pt_and_legacy():
    for end, format in (("pt", "zip"), ("th", "legacy")):
        write(f"dtypes.{end}", all_dtypes(), format)
        write(f"views.{end}", views(), format)
        wrapped, optimiser = trained()
        checkpoint = {
            "epoch": 3,
            "arch": "small",
            "state_dict": wrapped.state_dict(),
            "best_acc1": torch.tensor(0.5),
            "optimizer": optimiser.state_dict(),
            "seed": 2**63 + 5,
        }
        about = dict(stripped=["module."], beside=["epoch", "arch", "best_acc1", "optimizer", "seed"])
        write(f"parallel.{end}", checkpoint, format, "state_dict", **about)


def keys():
    tensors = {"w": torch.ones(2), "b": torch.zeros(3)}
    other = {"w": torch.zeros(2), "b": torch.ones(3)}
    write("nested.pt", {"checkpoint": {"model": {"net": tensors}, "epoch": 1}, "args": {"lr": 0.1}},
          key="checkpoint.model.net", beside=["checkpoint.epoch", "args"])
    write("choice.pt",
          {"state_dict_ema": dict(other), "model": tensors, "ema": other, "discriminator": {"w": torch.ones(1)}},
          key="model", others=["ema", "state_dict_ema", "discriminator"])
    # As DINO saves both.
    write("teacher.pt", {"student": tensors, "teacher": other, "epoch": 4}, key="teacher", others=["student"],
          beside=["epoch"])
    # One dict under two keys is no choice.
    write("twice.pt", {"average": tensors, "state_dict": tensors}, key="state_dict", others=["average"])
    write("twice_unknown.pt", {"G": tensors, "D": tensors}, key="G", others=["D"])
    write("compiled.pt", {"model": {f"_orig_mod.module.{k}": v for k, v in tensors.items()}},
          key="model", stripped=["_orig_mod.", "module."])
    write("mixed.pt", {"module.w": torch.ones(2), "b": torch.zeros(3)})
    # A scalar at the top is no state dict when there is one below.
    write("scalar_beside.pt", {"iteration": torch.tensor(7), "generator": tensors}, key="generator", beside=["iteration"])
    refused("two.pt", {"generator": tensors, "discriminator": other}, "generator, discriminator", "state_dict")
    refused("keys.pt", {"epoch": 1, "lr": 0.1}, "without tensors", "epoch, lr")
    write("tensor.pt", torch.ones(3))
    write("list.pt", [torch.ones(3), 5, torch.zeros(2)])
    write("list_under.pt", {"weights": [torch.ones(3)], "losses": [0.5] * 40}, key="weights", beside=["losses"])
    refused("empty_list.pt", [1, 2], "a dict of tensors", "a list")
    entries = {
        "w": torch.ones(2),
        "none": None,
        "int": 3,
        "text": "a",
        "float": 0.5,
        "nested": {"a": 1},
        "size": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "bytes": b"\x00\xff",
        "set": {1, 2},
        4: torch.ones(1),
    }
    skipped = {
        "none": "None",
        "int": "an integer",
        "text": "a string",
        "float": "a float",
        "nested": "a dict",
        "size": "a tuple",
        "device": "a device",
        "dtype": "a function",
        "bytes": "bytes",
        "set": "a set",
        "1 entries": "without a string for a key",
    }
    write("entries.pt", entries, skipped=skipped)
    write("numpy_scalar.pt", {"best": np.float64(0.25), "state_dict": tensors}, key="state_dict", beside=["best"],
          readable=False)
    buffer = torch.ones(2)
    buffer.extra = "an attribute"
    write("attribute.pt", {"w": buffer, "p": torch.nn.Parameter(torch.ones(3))})


def kinds():
    """Tensors of other kinds."""
    torch.manual_seed(3)
    x = torch.randn(4, 4)
    q = torch.quantize_per_tensor(x, 0.1, 3, torch.qint8)
    c = torch.quantize_per_channel(x, torch.ones(4).double(), torch.zeros(4).long(), 0, torch.qint8)
    write("quantised.pt", {"q": q, "c": c, "w": x},
          skipped={"q": "a quantised tensor", "c": "a quantised tensor"})
    write("sparse.pt", {"s": x.relu().to_sparse(), "csr": x.relu().to_sparse_csr(), "w": x},
          skipped={"s": "a sparse tensor", "csr": "a sparse tensor"})
    write("meta.pt", {"m": torch.empty(3, device="meta"), "w": x},
          skipped={"m": "a tensor without numbers (on the device meta)"})
    refused("only_sparse.pt", {"s": x.relu().to_sparse()}, "a sparse tensor")
    z = torch.view_as_complex(torch.randn(3, 2))
    write("complex.pt", {"w": x, "z": z}, skipped={"z": "numbers of type complex64"})
    refused("only_complex.pt", {"z": z}, "z (numbers of type complex64)")
    write("float8.pt", {"e4m3": x.to(torch.float8_e4m3fn), "e5m2": x.to(torch.float8_e5m2),
                        "scale": x.to(torch.float8_e8m0fnu)},
          skipped={"scale": "numbers of type float8_e8m0fnu"})
    write("unsigned.pt", {"u16": torch.tensor([0, 65535]).to(torch.uint16), "u32": torch.ones(3, dtype=torch.uint32),
                          "u64": torch.ones(2, dtype=torch.uint64), "w": x})


class Colour(enum.Enum):
    RED = 1

    def describe(self):
        return "red"


class Config(dict):
    """A dict with attributes, as many libraries have one."""


class Trainer:
    def __init__(self, model, optimiser):
        self.model, self.optimiser, self.epoch = model, optimiser, 4

    class Inner:
        pass


def scripts():
    """Checkpoints as training scripts leave them: objects beside the weights, or around them."""
    tensors = {"w": torch.ones(2), "b": torch.zeros(3)}
    net = network()
    optimiser = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 3)
    net(torch.randn(2, 3, 6, 6)).sum().backward()
    optimiser.step()
    space = argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data"), layers=[1, 2], norm=functools.partial(torch.nn.LayerNorm, eps=1e-6))
    script("namespace.pt", {"model": tensors, "args": space}, key="model", beside=["args"])
    beside = {
        "path": pathlib.PurePosixPath("/a/b"),
        "rng": np.random.RandomState(1).get_state(),
        "array": np.arange(3.0),
        "best": np.float32(0.5),
        "date": datetime.datetime(2020, 1, 2),
        "counts": collections.defaultdict(int, a=1),
        "version": torch.torch_version.TorchVersion("2.0.1"),
        "schedule": schedule,
        "queue": collections.deque([1, 2], maxlen=3),
        "colour": Colour.RED,
        "simple": types.SimpleNamespace(a=1),
        "slice": slice(1, 2),
        "class": torch.nn.Conv2d,
        "frozen": frozenset([1]),
        "config": Config(a=1),
    }
    script("beside.pt", {"state_dict": tensors, **beside}, key="state_dict", beside=list(beside))
    script("module.pt", net)
    torch.save(net, DATA / "module.th", _use_new_zipfile_serialization=False)
    FILES["module.th"] = dict(FILES["module.pt"], format="legacy")
    script("module_under.pt", {"epoch": 1, "model": net, "optimizer": optimiser.state_dict()}, key="model",
           beside=["epoch", "optimizer"])
    script("trainer.pt", Trainer(net, optimiser), key="model", beside=["optimiser", "epoch"])
    script("defaultdict.pt", collections.defaultdict(list, tensors))
    script("config_dict.pt", Config(tensors))
    shared = torch.nn.Sequential(torch.nn.Linear(2, 2))
    shared.add_module("again", shared[0])
    shared.register_buffer("kept", torch.ones(1))
    shared.register_buffer("passing", torch.ones(2), persistent=False)
    shared.register_parameter("none", None)
    script("shared.pt", shared)
    averaged = torch.optim.swa_utils.AveragedModel(torch.nn.Linear(2, 3))
    write("averaged.pt", averaged.state_dict())
    vgg = {f"features.module.{i}.weight": torch.full((2,), float(i)) for i in (0, 3)}
    write("imagenet_vgg.pt", {"state_dict": {**vgg, "classifier.0.weight": torch.ones(1)}}, key="state_dict")
    wrapper = "_fsdp_wrapped_module."
    clean = {"a.0.w": torch.ones(2), "a.b.w": torch.zeros(3)}
    torch.save({wrapper + "a." + wrapper + "0.w": clean["a.0.w"], wrapper + "a.b." + wrapper + "w": clean["a.b.w"]},
               DATA / "fsdp.pt")
    FILES["fsdp.pt"] = case(clean, "zip", stripped=[wrapper])
    script("nested_class.pt", {"state_dict": tensors, "inner": Trainer.Inner(), "method": Colour.RED.describe},
           key="state_dict", beside=["inner", "method"])
    # A known key with next to nothing under it.
    many = {f"{i}.w": torch.full((2,), float(i)) for i in range(12)}
    write("decay.pt", {"generator": many, "ema": {"decay": torch.tensor(0.9)}}, key="generator", others=["ema"])
    # As PyTorch wrote them before 0.4.
    write("old_parameter.pt", {"w": Attack(torch.nn.Parameter, torch.ones(3), False), "b": torch.zeros(2)})
    write("tuple.pt", ({"w": torch.ones(2)}, {"lr": 0.1}), key="0", beside=["1"])


def composed():
    """Parameters in parts: what evaluation multiplies with."""
    torch.manual_seed(5)

    def parts(make, outputs):
        net = torch.nn.Sequential(
            collections.OrderedDict(
                a=make(torch.nn.Conv2d(3, 4, 3)), b=make(torch.nn.ConvTranspose2d(2, outputs, 2)), c=torch.nn.Linear(4, 2)
            )
        )
        # Vectors of spectral norms follow the weights in training, a step behind.
        net.train()
        for _ in range(3):
            net.a(torch.ones(1, 3, 5, 5)), net.b(torch.ones(1, 2, 5, 5))
            for p in net.parameters():
                p.data += 0.01 * torch.randn_like(p)
        return net.eval()

    old, new, prune = torch.nn.utils, torch.nn.utils.parametrizations, torch.nn.utils.prune
    for name, kind, make, outputs in (
        ("weight_norm.pt", "weight norm", old.weight_norm, 3),
        ("weight_norms.pt", "weight norm", new.weight_norm, 3),
        ("spectral_norm.pt", "spectral norm", old.spectral_norm, 3),
        ("spectral_norms.pt", "spectral norm", new.spectral_norm, 3),
        # Both axes of a transposed convolution are as long.
        ("spectral_square.pt", "spectral norm", old.spectral_norm, 2),
        ("pruned.pt", "pruning", lambda layer: prune.l1_unstructured(layer, "weight", 0.4), 3),
    ):
        net = parts(make, outputs)
        state = net.state_dict()
        torch.save(state, DATA / name)
        with torch.no_grad():
            net.a(torch.ones(1, 3, 5, 5)), net.b(torch.ones(1, 2, 5, 5))
        used = {"a.weight": net.a.weight, "b.weight": net.b.weight}
        gone = [k for k in state if "weight" in k and k[0] in "ab"]
        tensors = collections.OrderedDict()
        for k, v in state.items():
            if k not in gone:
                tensors[k] = v
            elif f"{k[0]}.weight" not in tensors:
                tensors[f"{k[0]}.weight"] = used[f"{k[0]}.weight"]
        FILES[name] = case(tensors, "zip", composed=[f"{k} ({kind})" for k in used])
        # Rounded otherwise: compared as numbers.
        FILES[name]["near"] = {k: v.flatten().tolist() for k, v in used.items()}


def folders():
    """Shards of pickles, and folders as Hugging Face's libraries leave them."""
    parts = {"pytorch_model-00001-of-00002.bin": {"a": torch.ones(2)}, "pytorch_model-00002-of-00002.bin": {"c": torch.zeros(1)}}
    for folder in ("bin", "shards", "safe"):
        (DATA / folder).mkdir()
    for name, part in parts.items():
        torch.save(part, DATA / "shards" / name)
    index = {name: file for file, part in parts.items() for name in part}
    (DATA / "shards/pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    everything = {k: v for part in parts.values() for k, v in part.items()}
    FILES["shards"] = case(everything, "shards")
    torch.save(everything, DATA / "bin/pytorch_model.bin")
    FILES["bin"] = case(everything, "zip")
    safetensors.torch.save_file(everything, DATA / "safe/model.safetensors")
    (DATA / "safe/config.json").write_text("{}")
    FILES["safe"] = case(everything, "safetensors")


def attacks():
    state = {"w": torch.ones(2)}
    refused("system.pt", {**state, "x": Attack(os.system, "true")}, f"{os.name}.system")
    refused("system.th", {**state, "x": Attack(os.system, "true")}, f"{os.name}.system", legacy=True)
    refused("eval.pt", {**state, "x": Attack(eval, "1")}, ".eval")
    raw("pickle.pkl", pickle.dumps({"w": 1}), "a pickle that torch.save has not written")


def others():
    scripted = torch.jit.script(torch.nn.Linear(2, 2))
    torch.jit.save(scripted, DATA / "scripted.pt")
    FILES["scripted.pt"] = {"refused": ["TorchScript"]}
    arrays = dict(w=np.arange(6.0).reshape(2, 3), f=np.asfortranarray(np.ones((2, 3), "f4").cumsum(1)), n=np.arange(3))
    np.savez(DATA / "arrays.npz", **arrays)
    np.savez_compressed(DATA / "compressed.npz", **arrays)
    for name in ("arrays.npz", "compressed.npz"):
        FILES[name] = case({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}, "npz")
    np.savez(DATA / "objects.npz", w=np.array([None, 1], dtype=object))
    FILES["objects.npz"] = {"refused": ["w", "no objects"]}
    with tarfile.open(DATA / "old.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps({}, 2)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    FILES["old.tar"] = {"refused": ["tar archive of PyTorch before 0.1.10"]}
    for name, bytes, words in (
        ("empty.pt", b"", "an empty file"),
        ("lfs.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
        ("page.pt", b"<!DOCTYPE html><html></html>", "a web page"),
        ("text.pt", b"hello", "something else"),
        ("model.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.0.0:", "an ONNX model"),
        ("gzip.pt", b"\x1f\x8b\x08\x00", "gzip"),
    ):
        raw(name, bytes, words)
    rezip("deflated.pt", "parallel.pt", zipfile.ZIP_DEFLATED)
    # No byteorder, no serialization_id, as older versions wrote it.
    with zipfile.ZipFile(DATA / "dtypes.pt") as old, zipfile.ZipFile(DATA / "older.pt", "w") as new:
        for entry in old.namelist():
            if entry.split("/", 1)[1] in ("data.pkl", "version") or "/data/" in entry and "/." not in entry:
                new.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), old.read(entry))
    FILES["older.pt"] = FILES["dtypes.pt"]
    with zipfile.ZipFile(DATA / "dtypes.pt") as old, zipfile.ZipFile(DATA / "big.pt", "w") as new:
        for entry in old.namelist():
            content = b"big" if entry.endswith("/byteorder") else old.read(entry)
            new.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), content)
    FILES["big.pt"] = {"refused": ["little-endian", "big"]}
    legacy = (DATA / "dtypes.th").read_bytes()
    raw("big.th", legacy.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89", 1), "big-endian")
    assert (DATA / "big.th").read_bytes() != legacy


def safe():
    tensors = {k: v.clone().contiguous() for k, v in all_dtypes().items()}
    path = DATA / "dtypes.safetensors"
    safetensors.torch.save_file(tensors, path, {"format": "pt"})
    size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    header = json.loads(path.read_bytes()[8 : 8 + size])
    header.pop("__metadata__")
    order = sorted(header, key=lambda name: header[name]["data_offsets"])
    FILES["dtypes.safetensors"] = case({name: tensors[name] for name in order}, "safetensors")
    # In two parts, with a tensor that the index does not name.
    parts = {"model-00001-of-00002.safetensors": {"model.a": torch.ones(2), "model.b": torch.arange(3)},
             "model-00002-of-00002.safetensors": {"model.c": torch.zeros(1, 2).half(), "model.stray": torch.ones(1)}}
    for name, part in parts.items():
        safetensors.torch.save_file(part, DATA / name)
    index = {name: file for file, part in parts.items() for name in part if name != "model.stray"}

    def write_index(name, weight_map):
        (DATA / name).write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": weight_map}))

    write_index("model.safetensors.index.json", index)
    FILES["model.safetensors.index.json"] = case(
        {"model.b": parts["model-00001-of-00002.safetensors"]["model.b"],
         "model.a": parts["model-00001-of-00002.safetensors"]["model.a"],
         "model.c": parts["model-00002-of-00002.safetensors"]["model.c"]},
        "shards", stripped=["model."],
        skipped={"model.stray": "not in the index, in model-00002-of-00002.safetensors"})
    first = next(iter(parts))
    for name, weight_map, words in (
        ("outside.index.json", {"a": "../data/" + first}, ["tensor a", "in the folder of the index"]),
        ("absolute.index.json", {"a": "/etc/passwd"}, ["tensor a", "in the folder of the index"]),
        ("absent.index.json", {"a": "no.safetensors"}, ["no.safetensors", "cannot open"]),
        ("wrong.index.json", {"model.c": first}, [first, "the tensor model.c"]),
        ("empty.index.json", {}, ["empty weight_map"]),
    ):
        write_index(name, weight_map)
        FILES[name] = {"refused": words}
    (DATA / "config.json").write_text('{"hidden_size": 4}')
    FILES["config.json"] = {"refused": ["weight_map"]}


def untyped():
    """A tensor of a type that has no storage of its own class, beside others."""
    x = torch.arange(4, dtype=torch.float32)
    write("typed.pt", {"w": x, "bits": x.view(torch.int32).clone()})


if __name__ == "__main__":
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    pt_and_legacy()
    keys()
    kinds()
    scripts()
    composed()
    folders()
    attacks()
    others()
    safe()
    untyped()
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(FILES[name], ensure_ascii=False)}" for name in sorted(FILES))
    (HERE / "expected.json").write_text('{"files": {\n' + text + "\n}}\n")
    (HERE / "VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nNumPy {np.__version__}\nPyTorch {torch.__version__}\n"
        f"safetensors {safetensors.__version__}\n"
    )
    total = sum(path.stat().st_size for path in DATA.rglob("*"))
    print(f"{len(FILES)} files, {total} bytes")
