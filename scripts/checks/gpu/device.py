"""What only a device can show of the operators: that a step can be captured in a CUDA graph and runs on the stream that is
current, that it never waits, and what it costs.

    python device.py OPS CUDA

prints one JSON object: `checks`, the largest difference of each from the same step run eagerly, 0 being the same bits;
`bandwidth`, bytes a second of a copy, read and written; and `times`, by network and step, in milliseconds: `own`, `other`
(what PyTorch has for the same reads and writes), and `floor`, the bytes of the step at that bandwidth.
"""

import json
import sys

import torch

for library in sys.argv[1:3]:
    torch.ops.load_library(library)
ops = torch.ops.espalier
DEVICE = torch.device("cuda:0")
ROUNDS = 50


def made(shapes, seed, scale=1.0):
    random = torch.Generator(DEVICE).manual_seed(seed)
    return [torch.randn(shape, generator=random, device=DEVICE) * scale for shape in shapes]


class Step:
    """A set of weights with all that a step reads and writes."""

    def __init__(self, shapes, seed=0):
        self.weights, self.gradients = made(shapes, seed, 0.05), made(shapes, seed + 1, 0.01)
        self.velocities, self.squares = made(shapes, seed + 2, 0.01), [w * w for w in made(shapes, seed + 3, 0.01)]
        rows = [(t, 0, c, c, 1) for t, w in enumerate(self.weights) for c in range(w.size(0))]
        columns = [(t, 1, c, c, 1) for t, w in enumerate(self.weights) if w.dim() > 1 for c in range(w.size(1))]
        self.units = max(max(w.shape[:2]) for w in self.weights)
        slices = torch.tensor(rows + columns, dtype=torch.int32)
        self.layout, begin, of, self.gather, self.slots = ops.reg_plan(self.weights, slices, self.units)
        self.arena = begin.numel() - 1
        self.reg = made([(self.units,)], seed + 4)[0].abs() * 1e-3
        self.coefficients = torch.zeros(self.arena, device=DEVICE)
        ops.reg_scatter_(self.coefficients, self.reg, begin, of)
        self.groups = torch.tensor([[0, self.units]], dtype=torch.int32, device=DEVICE)
        self.skipped = torch.zeros(1, dtype=torch.int32, device=DEVICE)
        self.counts = [torch.tensor(3.0, device=DEVICE) for _ in self.weights]

    @property
    def elements(self):
        return sum(w.numel() for w in self.weights)

    def apply(self):
        ops.reg_apply_(self.gradients, self.weights, self.layout, self.coefficients, 0.5)

    def add(self):
        torch._foreach_add_(self.gradients, self.weights, alpha=1e-9)

    def sgd(self):
        ops.sgd_(self.weights, self.gradients, self.velocities, self.layout, self.coefficients, lr=1e-3, momentum=0.9,
                 weight_decay=1e-4)

    def fused_sgd(self):
        torch._fused_sgd_(self.weights, self.gradients, self.velocities, weight_decay=1e-4, momentum=0.9, lr=1e-3,
                          dampening=0.0, nesterov=False, maximize=False, is_first_step=False)

    def adamw(self):
        ops.adamw_(self.weights, self.gradients, self.velocities, self.squares, self.layout, self.coefficients, step=3,
                   lr=1e-4)

    def fused_adamw(self):
        torch._fused_adamw_(self.weights, self.gradients, self.velocities, self.squares, [], self.counts, lr=1e-4,
                            beta1=0.9, beta2=0.999, weight_decay=1e-2, eps=1e-8, amsgrad=False, maximize=False)

    def update(self):
        sums = ops.norms(self.weights, self.layout, self.arena, "square", None)
        units = ops.unit_sums(sums, self.gather, self.slots)
        ops.reg_grow_(self.reg, self.skipped, units, self.groups, 1e-5, 1.0)

    def norms(self):
        torch._foreach_norm(self.weights)

    def state(self):
        return [*self.weights, *self.gradients, *self.velocities, *self.squares, self.reg]


# Own, PyTorch's, bytes of an element that are read and written.
STEPS = {
    "apply": (Step.apply, Step.add, 12),
    "update": (Step.update, Step.norms, 4),
    "SGD + reg": (Step.sgd, Step.fused_sgd, 20),
    "AdamW + reg": (Step.adamw, Step.fused_adamw, 28),
}


def difference(a, b):
    return max((x.double() - y.double()).abs().max().item() for x, y in zip(a.state(), b.state()))


def captured(step):
    """The same three steps eagerly and as replays of one graph."""
    shapes = [(64, 32, 3, 3), (100, 64), (100,)]
    eager, graphed = Step(shapes), Step(shapes)
    step(eager), step(graphed)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(graphed)
    for _ in range(3):
        step(eager)
        graph.replay()
    torch.cuda.synchronize()
    return difference(eager, graphed)


def streamed(step):
    """On a stream of its own, behind work that is still running there: on another stream it would read too early."""
    shapes = [(512, 512), (512,)]
    wanted, got = Step(shapes), Step(shapes)
    step(wanted), step(got)
    late = [[w * 3 for w in wanted.weights], [torch.full_like(g, 2.0) for g in wanted.gradients]]

    def overwrite(each):
        torch._foreach_copy_(each.weights, late[0])
        torch._foreach_copy_(each.gradients, late[1])

    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(200_000_000)
        overwrite(got)
        step(got)
    stream.synchronize()
    overwrite(wanted)
    step(wanted)
    torch.cuda.synchronize()
    return difference(wanted, got)


def waits(step):
    """How often a repeated step waits for the device, as PyTorch's own watch on its calls sees it."""
    one = Step([(64, 32, 3, 3), (100,)])
    step(one)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(one)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return 0.0


def timed(job):
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    job()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def summary(times):
    times = sorted(times)
    return {"min": times[0], "median": times[len(times) // 2]}


def bandwidth():
    """Far larger than the cache of the device."""
    a = torch.randn(512 * 1024 * 1024 // 4, device=DEVICE)
    b = torch.empty_like(a)
    times = [timed(lambda: b.copy_(a)) for _ in range(20)]
    return 2 * a.numel() * 4 / (min(times) * 1e-3)


def resnet50():
    shapes, channels = [(64, 3, 7, 7), (64,), (64,)], 64
    for width, depth in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for k in range(depth):
            shapes += [(width, channels, 1, 1), (width,), (width,), (width, width, 3, 3), (width,), (width,)]
            shapes += [(4 * width, width, 1, 1), (4 * width,), (4 * width,)]
            if k == 0:
                shapes += [(4 * width, channels, 1, 1), (4 * width,), (4 * width,)]
            channels = 4 * width
    return [*shapes, (1000, channels), (1000,)]


def vit_b():
    block = [(768,), (768,), (2304, 768), (2304,), (768, 768), (768,), (768,), (768,), (3072, 768), (3072,), (768, 3072), (768,)]
    return [(768, 3, 16, 16), (768,), *block * 12, (768,), (768,), (1000, 768), (1000,)]


def times():
    found = {}
    for name, shapes in (("resnet50", resnet50()), ("vit_b_16", vit_b())):
        step = Step(shapes)
        for what, (own, other, size) in STEPS.items():
            for _ in range(5):
                own(step), other(step)
            torch.cuda.synchronize()
            own_times, other_times = [], []
            for _ in range(ROUNDS):
                # In turns: the clock of a device drifts.
                own_times.append(timed(lambda: own(step)))
                other_times.append(timed(lambda: other(step)))
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                own(step)
            replays = [timed(graph.replay) for _ in range(ROUNDS)]
            ratios = sorted(a / b for a, b in zip(own_times, other_times))
            found[f"{name} {what}"] = {
                "parameters": step.elements,
                "own": summary(own_times), "graph": summary(replays), "other": summary(other_times),
                "ratio": {"min": ratios[0], "median": ratios[len(ratios) // 2]},
                "bytes": size * step.elements,
            }
    return found


with torch.no_grad():
    checks = {}
    for what, (own, _, _) in STEPS.items():
        checks[f"{what}: replayed from a graph"] = captured(own)
        checks[f"{what}: on a stream of its own"] = streamed(own)
        checks[f"{what}: waits for the device"] = waits(own)
    copied = bandwidth()
    result = {"device": torch.cuda.get_device_name(0), "torch": torch.__version__, "checks": checks, "bandwidth": copied, "times": times()}
for entry in result["times"].values():
    entry["floor"] = entry["bytes"] / copied * 1e3
print(json.dumps(result))
