"""The tensors of models and of outputs, how far apart they are, and errors in words."""

import torch


def select(tensor, dims):
    for dim, indices in dims.items():
        tensor = tensor.index_select(dim, indices)
    return tensor


def equal(given, expected):
    return len(given) == len(expected) and all(torch.equal(a, b) for a, b in zip(given, expected))


def flatten(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for item in value for tensor in flatten(item)] if isinstance(value, (list, tuple)) else []


def difference(given, expected):
    """Largest over the outputs of max|given - expected| / max|expected|, and the smallest max|expected|."""
    if [tensor.shape for tensor in given] != [tensor.shape for tensor in expected]:
        raise ValueError(f"output shapes {[list(t.shape) for t in given]} instead of {[list(t.shape) for t in expected]}")
    worst, smallest = 0.0, float("inf")
    for a, b in zip(given, expected):
        a, b = a.double(), b.double()
        if not (a.isfinite().all() and b.isfinite().all()):
            raise ValueError("an output is not finite")
        size = b.abs().max().item() if b.numel() else 0.0
        distance = (a - b).abs().max().item() if b.numel() else 0.0
        worst = max(worst, distance / max(size, 1e-300))
        smallest = min(smallest, size)
    return worst, smallest


def words(error):
    # The words of an error inside TorchScript are the last line, after its trace.
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].removeprefix('RuntimeError: ') if lines else ''}"


def first_difference(a, b):
    return next((f"{x} / {y}" for x, y in zip(a, b) if x != y), f"{len(a)} / {len(b)} names")


def tensors_of(module):
    return {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers(remove_duplicate=False))}


def buffers_of(module, prefix=""):
    """Of a module of C++, by name."""
    found = [(prefix + name, tensor) for name, tensor in torch._C.BufferDict(module).items()]
    for name, inner in torch._C.ModuleDict(module).items():
        found += buffers_of(inner, f"{prefix}{name}.")
    return found
