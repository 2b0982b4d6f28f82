"""Loads the operators into Python and compares them with torch.optim, in float64 where PyTorch has it.

    python check.py LIBRARY

prints one JSON object: the largest relative error of each operator.
"""

import json
import sys

import torch

torch.ops.load_library(sys.argv[1])
ops = torch.ops.espalier
torch.manual_seed(0)


def plan(weights, units):
    """A unit for every row and every column of every weight."""
    slices, unit = [], 0
    for t, weight in enumerate(weights):
        for dim in range(min(2, weight.dim())):
            slices += [(t, dim, c, unit + c, 1) for c in range(weight.size(dim))]
            unit += weight.size(dim)
    reg = torch.rand(unit)
    layout, begin, of, gather, slots = ops.reg_plan(weights, torch.tensor(slices, dtype=torch.int32), unit)
    coefficients = torch.zeros(begin.numel() - 1)
    ops.reg_scatter_(coefficients, reg, begin, of)
    # The same by broadcasting.
    dense, first = [], 0
    for weight in weights:
        total = torch.zeros_like(weight)
        for dim in range(min(2, weight.dim())):
            shape = [weight.size(d) if d == dim else 1 for d in range(weight.dim())]
            total = total + reg[first : first + weight.size(dim)].to(weight.dtype).view(shape)
            first += weight.size(dim)
        dense.append(total)
    return layout, coefficients, dense


def error(got, wanted):
    return max(((a - b).abs() / (1 + b.abs())).max().item() for a, b in zip(got, wanted))


def made(dtype=torch.float64):
    shapes = [(16, 24, 3, 3), (33, 70), (37,), (8, 8, 1, 1)]
    tensors = [torch.randn(shape, dtype=dtype) for shape in shapes]
    tensors[0] = tensors[0].to(memory_format=torch.channels_last)
    return tensors


def like(tensors):
    return [torch.zeros_like(tensor) for tensor in tensors]


def apply():
    weights, gradients = made(), made()
    layout, coefficients, dense = plan(weights, None)
    wanted = [g + c * w for g, c, w in zip(gradients, dense, weights)]
    ops.reg_apply_(gradients, weights, layout, coefficients)
    return error(gradients, wanted)


def optimizer(torch_optimizer, step):
    weights = made()
    layout, coefficients, dense = plan(weights, None)
    theirs = [torch.nn.Parameter(w.clone()) for w in weights]
    other = torch_optimizer(theirs)
    state = [like(weights), like(weights)]
    for k in range(3):
        gradients = made()
        for p, g, c in zip(theirs, gradients, dense):
            p.grad = g + c * p.detach()
        other.step()
        step(weights, gradients, state, layout, coefficients, k + 1)
    return error(weights, [p.detach() for p in theirs])


def sgd(nesterov):
    return optimizer(
        lambda ps: torch.optim.SGD(ps, lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=nesterov),
        lambda w, g, s, layout, c, k: ops.sgd_(
            w, g, s[0], layout, c, lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=nesterov
        ),
    )


def adamw():
    return optimizer(
        lambda ps: torch.optim.AdamW(ps, lr=0.01, betas=(0.8, 0.95), weight_decay=0.1),
        lambda w, g, s, layout, c, k: ops.adamw_(
            w, g, s[0], s[1], layout, c, step=k, lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.1, decoupled=False
        ),
    )


def noticed():
    """Whether autograd notices that a tensor it saved was written to."""
    weight = torch.randn(4, 4, requires_grad=True)
    out = (weight * weight).sum()
    layout = torch.tensor([[1, 16, -1, -1]])
    with torch.no_grad():
        ops.sgd_([weight], [torch.ones(4, 4)], [], layout, torch.zeros(0), lr=0.1)
    try:
        out.backward()
    except RuntimeError as problem:
        return "modified by an inplace operation" in str(problem)
    return False


with torch.no_grad():
    errors = {"apply": apply(), "sgd": sgd(False), "nesterov": sgd(True), "adamw": adamw()}
print(json.dumps({"errors": errors, "noticed": noticed()}))
