#!/usr/bin/env python3
"""Peers of `domfreq shortcuts`: cleanlab's Datalab, and simple networks. Prints one JSON list.

  python shortcuts.py SET.npz ...

A SET.npz holds images [N, C, H, W] of bytes and labels [N]. For each set: whether there is an
alarm, which class it names (None of those that name none), and the seconds it took.
"""

import contextlib
import io
import json
import sys
import time
import warnings

import numpy as np
from cleanlab import Datalab
from datasets import Dataset, Features, Image, Value
from PIL import Image as Picture
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore")
# Datalab's own threshold is this too.
SCORE = 0.3
# All that it knows of an image.
PROPERTIES = ["dark", "light", "blurry", "low_information", "grayscale", "odd_aspect_ratio", "odd_size"]
# The bound of Zhu et al. on the accuracy of simple networks.
BOUND = 0.7
EPOCHS, FOLDS = 10, 2


def datalab(images, labels):
    pixels = images.transpose(0, 2, 3, 1)
    pictures = [Picture.fromarray(p if p.shape[2] == 3 else p[..., 0]) for p in pixels]
    features = Features({"image": Image(), "label": Value("int64")})
    data = Dataset.from_dict({"image": pictures, "label": labels.tolist()}, features=features)
    lab = Datalab(data, label_name="label", image_key="image")
    kinds = {"image_issue_types": {name: {} for name in PROPERTIES}, "spurious_correlations": {"threshold": SCORE}}
    lab.find_issues(issue_types=kinds)
    scores = lab.get_info("spurious_correlations")["correlations_df"]
    return {"alarm": bool((scores["score"] < SCORE).any()), "class": None}


def simple(images, labels, hidden):
    x = images.reshape(len(images), -1).astype(np.float32) / 255
    x = (x - x.mean(0)) / x.std()
    net = MLPClassifier(
        hidden, solver="sgd", batch_size=128, learning_rate_init=0.01, momentum=0.9, max_iter=EPOCHS, random_state=0
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    answers = cross_val_predict(net, x, labels, cv=folds, method="predict_proba")
    accuracy = (answers.argmax(1) == labels).mean()
    # The class that is told best.
    told = [answers[labels == c, c].mean() - answers[labels != c, c].mean() for c in range(answers.shape[1])]
    return {"alarm": bool(accuracy > BOUND), "class": int(np.argmax(told))}


def timed(look, *args):
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        found = look(*args)
    return found | {"seconds": time.perf_counter() - start}


def main():
    said = []
    for path in sys.argv[1:]:
        arrays = np.load(path)
        images, labels = arrays["images"], arrays["labels"]
        said.append({
            "datalab": timed(datalab, images, labels),
            "linear": timed(simple, images, labels, ()),
            "two_layer": timed(simple, images, labels, (128,)),
        })
    print(json.dumps(said))


main()
