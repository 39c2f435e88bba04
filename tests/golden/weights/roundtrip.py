"""Files of weights between PyTorch and Rust, too large to be kept: they are made when they are compared.

    roundtrip.py save FOLDER ARCH...

saves torchvision's networks with random weights: their state dicts and the whole networks, in the zip and the
legacy format, and copies in float16 and bfloat16. Prints the names of the files.

    roundtrip.py compare FOLDER FILE...

expects FILE.safetensors beside each FILE, with what torch.load reads of it, bit for bit; of a whole network its
state dict.

    roundtrip.py cifar WEIGHTS IMAGES OUT

decodes IMAGES (for each a label, 1 byte, the length of its file, 4 bytes, and the file) with PIL into
OUT/pil.npz, and prints the accuracy of the CIFAR ResNet-20 with the legacy checkpoint WEIGHTS on them;
OUT/logits.npz has its logits.
"""

import io
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "resnet"))


def save(folder, *archs):
    import torch
    import torchvision

    for arch in archs:
        torch.manual_seed(0)
        network = torchvision.models.get_model(arch, weights=None)
        state = network.state_dict()
        for end, format in (("pt", True), ("th", False)):
            for name, object in ((arch, state), (f"{arch}.whole", network)):
                torch.save(object, f"{folder}/{name}.{end}", _use_new_zipfile_serialization=format)
                print(f"{name}.{end}")
        for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
            copy = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
            torch.save(copy, f"{folder}/{arch}.{name}.pt")
            print(f"{arch}.{name}.pt")


def compare(folder, *files):
    import torch
    from safetensors.torch import load_file

    for file in files:
        whole = ".whole." in file
        theirs = torch.load(f"{folder}/{file}", weights_only=not whole)
        theirs = theirs.state_dict() if whole else theirs
        ours = load_file(f"{folder}/{file}.safetensors")
        if sorted(theirs) != sorted(ours):
            raise ValueError(f"{file}: other names")
        for name, tensor in theirs.items():
            same = tensor.dtype == ours[name].dtype and tensor.shape == ours[name].shape
            bits = [t.contiguous().reshape(-1).view(torch.uint8) for t in (tensor, ours[name])]
            if not (same and torch.equal(*bits)):
                raise ValueError(f"{file}: {name} differs")


def cifar(weights, images, out):
    import numpy as np
    import torch
    from PIL import Image

    import nets

    content = pathlib.Path(images).read_bytes()
    pixels, labels, at = [], [], 0
    while at < len(content):
        label, length = struct.unpack_from("<BI", content, at)
        at += 5
        pixels.append(np.asarray(Image.open(io.BytesIO(content[at : at + length])).convert("RGB")).transpose(2, 0, 1))
        labels.append(label)
        at += length
    pixels, labels = np.stack(pixels), np.array(labels, np.int64)
    np.savez(f"{out}/pil.npz", X=pixels, y=labels)
    state = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
    model = nets.CifarResNet(20, "A")
    model.load_state_dict({name.removeprefix("module."): tensor for name, tensor in state.items()})
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    with torch.inference_mode():
        parts = torch.from_numpy(pixels).split(500)
        logits = torch.cat([model.eval()((part / 255 - mean) / std) for part in parts])
    np.savez(f"{out}/logits.npz", logits=logits.double().numpy())
    print((logits.argmax(1).numpy() == labels).mean())


if __name__ == "__main__":
    action, *arguments = sys.argv[1:]
    try:
        {"save": save, "compare": compare, "cifar": cifar}[action](*arguments)
    except Exception as error:
        sys.exit(f"roundtrip.py: {action}: {error}")
