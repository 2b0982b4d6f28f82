"""Compares the operators of the CPU with the CUDA ones, whose kernels run on the emulator: the same calls, first with the
one, then, when the second library has taken their place, with the other.

    python glue.py OPS EMULATED
    python glue.py OPS CUDA cuda

The second form compares the CPU with a GPU.

prints one JSON object: the largest error by call, relative to what was summed up; what a repeated step calls of LibTorch;
and what is refused.
"""

import json
import sys

import torch

torch.ops.load_library(sys.argv[1])
ops = torch.ops.espalier
DEVICE = "cpu"


def tensors(dtype, seed):
    random = torch.Generator().manual_seed(seed)
    shapes = [(16, 24, 3, 3), (33, 70), (37,), (8, 8, 1, 1), (1, 5), (0, 4), (2, 9000)]
    made = [torch.randn(shape, generator=random).to(dtype) for shape in shapes]
    made[0] = made[0].to(memory_format=torch.channels_last)
    made[1] = made[1].t().contiguous().t()
    # One that starts at an odd address.
    made.append(torch.randn(12 * 10 + 1, generator=random).to(dtype).to(DEVICE)[1:].view(12, 10))
    return [tensor.to(DEVICE) for tensor in made]


def mixed(seed):
    return [*tensors(torch.float32, seed), *tensors(torch.bfloat16, seed + 1), *tensors(torch.float16, seed + 2)]


def other_strides(tensors):
    """The same values, laid out in another order."""
    return [t.clone(memory_format=torch.contiguous_format) for t in tensors]


def planned(weights):
    slices, unit = [], 0
    for t, weight in enumerate(weights):
        for dim in range(min(2, weight.dim())):
            slices += [(t, dim, c, unit + c, 1) for c in range(weight.size(dim))]
            unit += weight.size(dim)
    reg = torch.rand(unit, generator=torch.Generator().manual_seed(9)).to(DEVICE)
    plan = ops.reg_plan(weights, torch.tensor(slices, dtype=torch.int32), unit)
    return plan, reg


def applied(weights, decoupled=False):
    (layout, begin, of, _, _), reg = planned(weights)
    coefficients = torch.zeros(begin.numel() - 1, device=DEVICE)
    ops.reg_scatter_(coefficients, reg, begin, of)
    gradients = other_strides(mixed(50))
    ops.reg_apply_(weights if decoupled else gradients, weights, layout, coefficients, -0.1 if decoupled else 0.5)
    return [coefficients, *gradients, *weights]


def stepped(weights, momentum, nesterov=False, decoupled=False):
    (layout, begin, of, _, _), reg = planned(weights)
    coefficients = torch.zeros(begin.numel() - 1, device=DEVICE)
    ops.reg_scatter_(coefficients, reg, begin, of)
    velocities = mixed(60) if momentum else []
    for k in range(2):
        ops.sgd_(weights, mixed(70 + k), velocities, layout, coefficients, lr=0.1, momentum=momentum, weight_decay=0.01,
                 nesterov=nesterov, decoupled=decoupled)
    return [*weights, *velocities]


def adamw(weights, decoupled):
    (layout, begin, of, _, _), reg = planned(weights)
    coefficients = torch.zeros(begin.numel() - 1, device=DEVICE)
    ops.reg_scatter_(coefficients, reg, begin, of)
    means, squares = mixed(80), [t.abs() for t in mixed(90)]
    for k in range(2):
        ops.adamw_(weights, mixed(100 + k), means, squares, layout, coefficients, step=k + 1, lr=0.01, weight_decay=0.1,
                   decoupled=decoupled)
    return [*weights, *means, *squares]


def own_gradients(weights):
    """Two of three weights have no gradient; of those one is penalised."""
    parameters = [torch.nn.Parameter(w) for w in weights[:3]]
    parameters[0].grad = torch.ones_like(weights[0])
    layout = torch.tensor([[1, p.numel(), -1, -1] for p in parameters])
    layout[1, 3] = 0
    coefficients = torch.full((parameters[1].numel(),), 0.25, device=DEVICE)
    ops.reg_apply_([], parameters, layout, coefficients)
    ops.sgd_(parameters, [], [], layout, coefficients, lr=0.1)
    assert parameters[2].grad is None
    return [p.detach() for p in parameters] + [p.grad for p in parameters[:2]]


def grown(weights, norm):
    (layout, begin, of, gather, slots), reg = planned(weights)
    gradients = mixed(110) if norm == "times-gradient" else None
    sums = ops.norms(weights, layout, begin.numel() - 1, norm, gradients)
    units = ops.unit_sums(sums, gather, slots)
    skipped = torch.zeros(2, dtype=torch.int32, device=DEVICE)
    half = reg.numel() // 2
    groups = torch.tensor([[0, half], [half, reg.numel() - half]], dtype=torch.int32, device=DEVICE)
    units[half] = float("nan")
    importance = ops.reg_grow_(reg, skipped, units, groups, 0.02, 0.9)
    # A norm of elements of either sign has no scale of its own.
    scale = 100.0 if norm == "times-gradient" else 1.0
    return [sums / scale, units[:half] / scale, skipped.float(), reg, importance[:half] / scale**2]


def unit_norms(weights, norm):
    """Of units that are rows, of any dtype and order in memory."""
    own = [*weights, torch.randn(6, 5, generator=torch.Generator().manual_seed(7)).double().to(DEVICE)[:, :3]]
    gradients = [w.roll(1) for w in own] if norm == "times-gradient" else None
    slices, units = [], 0
    for t, weight in enumerate(own):
        if weight.dim() == 0:
            continue
        slices += [(t, 0, row, units + row, 1) for row in range(weight.size(0))]
        units += weight.size(0)
    sums = ops.unit_norms(own, torch.tensor(slices, dtype=torch.int32).reshape(-1, 5), units, norm, gradients)
    assert sums.dtype == torch.float64
    scale = 100.0 if norm == "times-gradient" else 1.0
    return [(sums / scale).float()]


def many(weights):
    """More tensors than one launch can name."""
    small = [w.reshape(-1)[:3].clone() for w in weights if w.numel() >= 3] * 60
    small = [w.clone() for w in small]
    layout = torch.tensor([[1, 3, -1, 0]] * len(small))
    ops.sgd_(small, [torch.ones_like(w) for w in small], [], layout, torch.tensor([1.0, 2.0, 3.0], device=DEVICE), lr=0.1)
    return small


CALLS = {
    "apply": lambda w: applied(w),
    "apply decoupled": lambda w: applied(w, decoupled=True),
    "sgd": lambda w: stepped(w, 0.0),
    "sgd with momentum": lambda w: stepped(w, 0.9),
    "sgd nesterov, decoupled": lambda w: stepped(w, 0.9, nesterov=True, decoupled=True),
    "adamw": lambda w: adamw(w, False),
    "adamw decoupled": lambda w: adamw(w, True),
    "own gradients": own_gradients,
    "norms abs": lambda w: grown(w, "abs"),
    "norms square": lambda w: grown(w, "square"),
    "norms times-gradient": lambda w: grown(w, "times-gradient"),
    "unit norms": lambda w: unit_norms(w, "square"),
    "unit norms times-gradient": lambda w: unit_norms(w, "times-gradient"),
    "many tensors": many,
}


def results():
    with torch.no_grad():
        return {name: call(mixed(1)) for name, call in CALLS.items()}


# Rounding of what is stored, twice.
TOLERANCE = {torch.float32: 1e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}


def error(got, wanted):
    worst = 0.0
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted):
        a = a.cpu()
        assert a.dtype == b.dtype and a.shape == b.shape, (a.shape, b.shape)
        if a.numel():
            own = ((a.double() - b.double()).abs() / (1 + b.double().abs())).max().item()
            worst = max(worst, own / TOLERANCE[a.dtype]) if own == own else float("inf")
    return worst


def called():
    """What a step calls of LibTorch, from the second time on."""
    weights = [torch.randn(40, 30).to(DEVICE), torch.randn(7).to(DEVICE)]
    gradients, velocities = [torch.ones_like(w) for w in weights], [torch.zeros_like(w) for w in weights]
    squares = [torch.zeros_like(w) for w in weights]
    layout, coefficients = torch.tensor([[40, 30, 0, 40], [1, 7, -1, 0]]), torch.rand(70).to(DEVICE)
    steps = {
        "reg_apply_": lambda: ops.reg_apply_(gradients, weights, layout, coefficients),
        "sgd_": lambda: ops.sgd_(weights, gradients, velocities, layout, coefficients, lr=0.1, momentum=0.9),
        "adamw_": lambda: ops.adamw_(weights, gradients, velocities, squares, layout, coefficients, step=1, lr=0.1),
    }
    found = {}
    with torch.no_grad():
        for name, step in steps.items():
            step()
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
                step()
            found[name] = sorted({event.name for event in profile.events()})
    return found


def refused():
    weight, arena = torch.randn(4, 3).to(DEVICE), torch.zeros(8, device=DEVICE)
    layout = torch.tensor([[4, 3, 0, -1]])
    def ints(values):
        return torch.tensor(values, dtype=torch.int32, device=DEVICE)

    def zeros(count):
        return torch.zeros(count, device=DEVICE)

    cases = {
        "dtype": lambda: ops.reg_apply_([weight.double()], [weight.double()], layout, arena),
        "gradient of another shape": lambda: ops.reg_apply_([zeros(3)], [weight], layout, arena),
        "layout outside the arena": lambda: ops.reg_apply_([weight], [weight], layout, zeros(3)),
        "index too large": lambda: ops.reg_scatter_(zeros(1), zeros(3), ints([0, 1]), ints([7])),
        "groups too large": lambda: ops.reg_grow_(zeros(3), ints([0]), zeros(3), ints([[0, 4]]), 0.1, 1.0),
        "step 0": lambda: ops.adamw_([weight], [weight], [weight], [weight], layout, arena, step=0, lr=0.1),
    }
    words = {}
    for name, case in cases.items():
        try:
            case()
            words[name] = None
        except (ValueError, TypeError) as problem:
            words[name] = str(problem).split("\n")[0]
    return words


wanted = results()
torch.ops.load_library(sys.argv[2])
DEVICE = sys.argv[3] if len(sys.argv) > 3 else DEVICE
got = results()
print(json.dumps({
    "errors": {name: error(got[name], wanted[name]) for name in CALLS},
    "called": called(),
    "refused": refused(),
}))
