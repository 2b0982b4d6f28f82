"""Opens a detector and its small version as Python does, and prints by how much they differ, as JSON.

    python detector.py FOLDER

FOLDER has detector.pt, detector-small.pt, detector-small.json, and x.bin and y.bin: a picture [1, 3, 160, 160] and what the small
model gave for it elsewhere.
"""

import json
import os
import sys

import torch

folder = sys.argv[1]


def path(name):
    return os.path.join(folder, name)


def floats(name, *shape):
    with open(path(name), "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(shape)


def apart(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return float((a - b).abs().max() / b.abs().max())


whole, small = torch.jit.load(path("detector.pt")), torch.jit.load(path("detector-small.pt"))
with open(path("detector-small.json")) as file:
    keep = json.load(file)["keep"]

x = floats("x.bin", 1, 3, 160, 160)
with torch.no_grad():
    here = apart(floats("y.bin", 1, 12, 525), small(x))
    before = apart(small(x), whole(x))
    # What was removed, at zero: the whole model is then the small one.
    tensors = dict(whole.named_parameters()) | dict(whole.named_buffers())
    for name, dimensions in keep.items():
        for dimension, kept in dimensions.items():
            size = tensors[name].shape[int(dimension)]
            gone = [k for k in range(size) if k not in set(kept)]
            tensors[name].index_fill_(int(dimension), torch.tensor(gone, dtype=torch.long), 0)
    masked = apart(small(x), whole(x))
    larger = torch.rand(2, 3, 192, 128)
    other = apart(small(larger), whole(larger))

small.train()
small(torch.rand(2, 3, 160, 160)).mean().backward()
gradients = [p.grad for p in small.parameters()]
trains = all(g is not None and bool(g.isfinite().all()) for g in gradients)
print(json.dumps({"here": here, "before": before, "masked": masked, "other": other, "trains": trains}))
