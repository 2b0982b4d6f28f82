"""Examples that a model is run on: those of its file, and others like them."""

import json

import numpy
import torch


def read_io(paths):
    """Example inputs and the outputs that eager torch gave for them."""
    with open(paths["header"], encoding="utf-8") as file:
        header = json.load(file)
    data = numpy.fromfile(paths["data"], dtype=numpy.uint8)

    def tensor(entry):
        dtype = numpy.dtype(entry["dtype"])
        count = int(numpy.prod(entry["shape"])) * dtype.itemsize
        part = data[entry["offset"] : entry["offset"] + count].view(dtype)
        return torch.from_numpy(part.reshape(entry["shape"]).copy())

    return [tensor(entry) for entry in header["inputs"]], [tensor(entry) for entry in header["outputs"]]


def seeded_like(inputs, seed, shapes=None):
    generator = torch.Generator().manual_seed(seed)
    result = []
    for tensor, shape in zip(inputs, shapes or [list(tensor.shape) for tensor in inputs]):
        if tensor.is_floating_point():
            result.append(torch.randn(shape, generator=generator))
        else:  # token ids, masks: values that the example has
            index = torch.randint(tensor.numel(), shape, generator=generator)
            result.append(tensor.flatten()[index.flatten()].reshape(shape))
    return result


def tried(program, inputs):
    """Runs it on inputs that it may not take: without oneDNN, whose LSTM writes out of bounds where others refuse."""
    with torch.backends.mkldnn.flags(enabled=False):
        return program(inputs)


def other_batch(program, inputs, outputs):
    """The example at another batch size, where the original takes it and answers with as many rows."""
    batch = 3 if inputs[0].shape[0] != 3 else 2
    other = seeded_like(inputs, 3, [[batch, *tensor.shape[1:]] for tensor in inputs])
    try:
        shapes = [tensor.shape for tensor in tried(program, other)]
    except Exception:
        return None
    rows = [tensor.shape[0] * batch // inputs[0].shape[0] for tensor in outputs]
    return other if [shape[0] for shape in shapes] == rows else None


# By the rank of an input: the dimensions of images, of sequences and of lengths that another example may change.


RESIZED = {2: [(1,)], 3: [(1,), (2,)], 4: [(2, 3)], 5: [(3, 4)]}


def other_size(program, inputs):
    """The example with images of another size or sequences of another length, where the original takes them."""
    ranks = {tensor.dim() for tensor in inputs}
    for dims in RESIZED.get(max(ranks), []) if len(ranks) == 1 else []:
        for change in (lambda n: n + n // 2, lambda n: 2 * n, lambda n: n // 2, lambda n: n - 2):
            shapes = [[change(n) if d in dims else n for d, n in enumerate(tensor.shape)] for tensor in inputs]
            if min(min(shape) for shape in shapes) < 1:
                continue
            other = seeded_like(inputs, 4, shapes=shapes)
            try:
                tried(program, other)
            except Exception:
                continue
            return other
    return None


def copies(inputs):
    return [tensor.clone() for tensor in inputs]
