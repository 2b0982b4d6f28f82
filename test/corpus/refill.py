"""Weights other than those of a file."""

import torch

from tensors import tensors_of


def refill(graph, seed, scale):
    """Other weights than the file's: an initial zero or a layer scale of 1e-6 hides whole branches. `scale`: of matrices."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        return torch.rand(tensor.shape, generator=generator) * (high - low) + low

    done = set()
    for name, tensor in tensors_of(graph).items():
        if not tensor.is_floating_point() or tensor.data_ptr() in done or not tensor.isfinite().all():
            continue
        done.add(tensor.data_ptr())
        last = name.split(".")[-1]
        if last == "running_var":
            tensor.copy_(uniform(tensor, 0.5, 2))
        elif last == "running_mean" or "bias" in last or "beta" in last:
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
        elif sum(size > 1 for size in tensor.shape) <= 1 and not (last.startswith("weight") and tensor.dim() > 1):
            tensor.copy_(uniform(tensor, 0.5, 1.5))  # gamma, layer scale, gates
        else:
            fan_in = tensor.numel() / tensor.shape[0]
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale * (2 / fan_in) ** 0.5)
