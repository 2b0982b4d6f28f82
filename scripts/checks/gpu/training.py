"""A training step of PyTorch on a device, for the one of training.mjs beside it.

    python training.py make FOLDER
    python training.py time FILE DEVICE EPOCHS STEPS BATCH SIZE

The first form writes the TorchScript files that both train. The second prints a JSON list: the milliseconds of a step, by
epoch, with the fused SGD of PyTorch; the images come from the memory of the CPU, in the order that they have there.
"""

import json
import sys
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parent.parent / "bench"))

from models import NETWORKS  # noqa: E402

NAMES = ["resnet50", "mobilenet_v2"]


def make(folder):
    torch.manual_seed(0)
    for name in NAMES:
        torch.jit.script(NETWORKS[name][0]()).save(str(Path(folder) / f"{name}.pt"))
    return NAMES


def measure(file, device, epochs, steps, batch, size):
    model = torch.jit.load(file, map_location=device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    random = torch.Generator().manual_seed(0)
    images = torch.randn(steps * batch, 3, size, size, generator=random)
    classes = torch.randint(1000, (steps * batch,), generator=random)
    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    times = []
    for _ in range(epochs):
        wait()
        start = time.perf_counter()
        for k in range(steps):
            part = slice(k * batch, (k + 1) * batch)
            loss = torch.nn.functional.cross_entropy(model(images[part].to(device)), classes[part].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        wait()
        times.append(1e3 * (time.perf_counter() - start) / steps)
    return times


if sys.argv[1] == "make":
    print(json.dumps(make(sys.argv[2])))
else:
    print(json.dumps(measure(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))))
