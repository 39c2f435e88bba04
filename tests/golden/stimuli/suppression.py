"""Images filtered by OpenCV, an oracle for the suppression of cues in Rust.

    .venv-bench/bin/pip install opencv-python-headless
    .venv-bench/bin/python tests/golden/stimuli/suppression.py

rewrites suppression.json beside it: an image [11, 14, 3] of 8-bit numbers, and what bilateralFilter makes of it (8-bit
numbers, space 75), GaussianBlur (of single-precision numbers) and cvtColor to grey (8-bit numbers). A diameter of an even
number has the radius of the next odd one.
"""

import json
import pathlib

import cv2
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def main():
    rng = np.random.default_rng(0)
    y, x = np.indices((11, 14))
    image = 127 + 90 * np.sin(y[..., None] / 2 + np.arange(3)) * np.cos(x[..., None] / 3) + rng.normal(0, 15, (11, 14, 3))
    image[3:7, 5:9] = [250, 20, 130]
    image = image.clip(0, 255).astype(np.uint8)
    out = {
        "opencv": cv2.__version__,
        "image": image.tolist(),
        "bilateral": [
            {"d": d, "colour": c, "pixels": cv2.bilateralFilter(image, d, c, 75).tolist()}
            for d, c in ((4, 50), (6, 80), (14, 200))
        ],
        "blur": [
            {"k": k, "sigma": s, "pixels": cv2.GaussianBlur(image.astype(np.float32), (k, k), sigmaX=s).tolist()}
            for k, s in ((3, 0.33), (5, 0.66), (15, 2.33))
        ],
        "grey": cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).tolist(),
    }
    (HERE / "suppression.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
