"""How torchvision's weights want their images: rewrites prescribed.txt beside this file.

Run it with PyTorch and torchvision at hand; nothing is downloaded:

    .venv-bench/bin/python src/app/transform/make.py

A line for each file of weights: network, entry, the start of the file's SHA-256 (which torchvision
puts into its name), pixels that are cut out of the middle, the shorter side before that, the
interpolation, the normalisation as --normalize calls it.
"""

import pathlib

import torchvision
from torchvision import models

NAMED = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "imagenet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "half",
}
# With their weights, these networks turn ImageNet's normalisation into 2x - 1 themselves.
TURNED = ("googlenet", "inception_v3")
# A network without a head: its last layers hold no numbers.
HEADLESS = [("vgg16", "IMAGENET1K_FEATURES")]

lines = [f"# torchvision {torchvision.__version__.split('+')[0]}"]
for name in models.list_models(module=models):
    for entry in models.get_model_weights(name):
        if (name, entry.name) in HEADLESS:
            continue
        t = entry.transforms()
        normalize = "half" if name in TURNED else NAMED[tuple(t.mean), tuple(t.std)]
        digest = pathlib.PurePath(entry.url).stem.rsplit("-", 1)[1]
        (crop,), (shorter,) = t.crop_size, t.resize_size
        lines.append(f"{name} {entry.name} {digest} {crop} {shorter} {t.interpolation.value} {normalize}")
pathlib.Path(__file__).with_name("prescribed.txt").write_text("\n".join(lines) + "\n")
