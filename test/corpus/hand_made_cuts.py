"""Cuts made by hand of one small model, one right and the others each wrong in one way, to try the oracle on.

    python hand_made_cuts.py FOLDER     writes the files and FOLDER/requests.jsonl
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

warnings.filterwarnings("ignore")

# Kept units. conv1 makes two halves of 4 channels, a value and its gate: a unit is one channel of each.
UNITS, OUTER = [0, 2], [1, 2, 5]
HALVES = UNITS + [4 + unit for unit in UNITS]
KEEP = {
    **{f"bn1.{name}": {0: HALVES} for name in ("weight", "bias", "running_mean", "running_var")},
    "conv1.weight": {0: HALVES},
    "conv1.bias": {0: HALVES},
    "conv2.weight": {0: OUTER, 1: UNITS},
    "norm_weight": {0: OUTER},
    "fc.weight": {1: OUTER},
}


class Net(nn.Module):
    """`wrong` is a constant of the class, so the saved file holds one way of going wrong, or none."""

    def __init__(self, units=4, outer=6, classes=5, wrong="", normed=False, kind=""):
        super().__init__()
        self.noisy: bool = kind == "noisy"
        self.counting: bool = kind == "counting"
        self.half: bool = kind == "half"
        self.register_buffer("seen", torch.zeros(1))
        if kind == "saturated":
            classes = 1
        self.saturated: bool = kind == "saturated"
        self.conv1 = nn.Conv2d(3, 2 * units, 3)
        self.bn1 = nn.BatchNorm2d(2 * units)
        self.norm_weight = nn.Parameter(torch.ones(outer, 1, 1))
        self.conv2 = nn.Conv2d(units, outer, 3, bias=False)
        self.fc = nn.Linear(outer, classes)
        self.units: int = 4 if wrong == "stale split" else units
        # The root of the width scales the data: it must keep the value it had before the cut.
        self.root: float = units**0.5 if wrong == "moved constant" else 2.0
        self.swapped: bool = wrong == "swapped halves"
        self.tiny: float = 1 + 1e-7 if wrong == "tiny error" else 1.0
        self.one_example: bool = wrong == "baked batch"
        self.normed: bool = normed
        self.hidden: float = 0.0 if wrong == "hidden" else 1.0

    def forward(self, x):
        if self.half:
            x = x.to(torch.bfloat16)
        x = self.bn1(self.conv1(x))
        value, gate = x[:, : self.units], x[:, self.units :]
        if self.swapped:
            value, gate = gate, value
        x = torch.relu(self.conv2(value * torch.sigmoid(gate) / self.root)) * self.norm_weight
        x = x.mean([2, 3]) * self.tiny * self.hidden
        if self.normed:
            x = torch.nn.functional.layer_norm(x, [x.shape[1]])
        x = self.fc(x.view(2, -1) if self.one_example else x.flatten(1))
        if self.noisy:
            x = x + torch.randn_like(x)
        if self.counting:
            self.seen += 1
            x = x * self.seen
        if self.saturated:
            x = torch.sigmoid(20 * x)
        return x.float() if self.half else x


class Layer(nn.Module):
    """A transformer layer in one operator, or written out for a width that its heads no longer add up to."""

    def __init__(self, width=6, hidden=8, fused=True):
        super().__init__()
        self.fused: bool = fused
        self.embed, self.out = nn.Linear(3, width), nn.Linear(width, 2)
        self.qkv, self.proj = nn.Linear(width, 18), nn.Linear(6, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        x = self.embed(x.flatten(2).transpose(1, 2))
        if self.fused:
            x = torch._transformer_encoder_layer_fwd(
                x, 6, 2, self.qkv.weight, self.qkv.bias, self.proj.weight, self.proj.bias, True, False, 1e-5,
                self.norm1.weight, self.norm1.bias, self.norm2.weight, self.norm2.bias,
                self.up.weight, self.up.bias, self.down.weight, self.down.bias,
            )
        else:
            q, k, v = self.qkv(x).reshape([x.shape[0], x.shape[1], 3, 2, 3]).permute([2, 0, 3, 1, 4]).unbind(0)
            y = torch.softmax(q @ k.transpose(-2, -1) / 3**0.5, -1) @ v
            x = self.norm1(x + self.proj(y.transpose(1, 2).flatten(2)))
            x = self.norm2(x + self.down(torch.nn.functional.gelu(self.up(x))))
        return self.out(x)


LAYER = {name: {0: OUTER} for name in ("proj.weight", "proj.bias", "embed.weight", "embed.bias", "down.weight", "down.bias")}
LAYER |= {f"{norm}.{name}": {0: OUTER} for norm in ("norm1", "norm2") for name in ("weight", "bias")}
LAYER |= {name: {1: OUTER} for name in ("qkv.weight", "up.weight", "out.weight")}


def fill(net):
    generator = torch.Generator().manual_seed(7)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + (0.5 if "var" in name else -0.5))
    net.seen.zero_()
    return net


def cut(original, keep, **options):
    """A small net that holds the kept slices."""
    small = Net(len(UNITS), len(OUTER), **options)
    return with_kept(small, original, keep).to(original.conv1.weight.dtype)


def with_kept(small, original, keep):
    kept = {}
    for name, tensor in original.state_dict().items():
        for dim, indices in keep.get(name, {}).items():
            tensor = tensor.index_select(dim, torch.tensor(indices))
        kept[name] = tensor
    small.load_state_dict(kept)
    return small


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    requests = {}

    def add(name, small, keep=KEEP, original="net", **manifest):
        torch.jit.script(small.eval()).save(folder / f"{name}.pt")
        content = {"schema": 1, "keep": keep, "params": [count(originals[original]), count(small)], "approximate": [], **manifest}
        (folder / f"{name}.json").write_text(json.dumps(content))
        request = requests.setdefault(original, {
            "original": str(folder / f"original {original}.pt"),
            "io": {"header": str(folder / f"{original}.io.json"), "data": str(folder / f"{original}.io.bin")},
            "cuts": [],
        })
        request["cuts"].append({"id": name, "pruned": str(folder / f"{name}.pt"), "manifest": str(folder / f"{name}.json")})

    def changed(name, work):
        small = cut(net, KEEP)
        work(small)
        add(name, small)

    net, hidden, silent, normed = fill(Net()), fill(Net(wrong="hidden")), fill(Net()), fill(Net(normed=True))
    silent.norm_weight.zero_()
    kinds = {kind: fill(Net(kind=kind)) for kind in ("noisy", "counting", "saturated")}
    kinds["half"] = fill(Net(kind="half")).to(torch.bfloat16)
    originals = {"net": net, "hidden": hidden, "silent": silent, "normed": normed, **kinds}
    originals["fused"] = fill(Layer())
    for name, original in originals.items():
        torch.jit.script(original.eval()).save(folder / f"original {name}.pt")
        x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(8))
        y = original(x)
        original.seen.zero_()
        (folder / f"{name}.io.bin").write_bytes(x.numpy().tobytes() + y.numpy().tobytes())
        header = {
            "inputs": [{"shape": list(x.shape), "dtype": "float32", "offset": 0}],
            "outputs": [{"shape": list(y.shape), "dtype": "float32", "offset": x.numel() * 4}],
        }
        (folder / f"{name}.io.json").write_text(json.dumps(header))

    add("right", cut(net, KEEP))
    changed("permuted rows", lambda small: small.conv1.weight.copy_(small.conv1.weight[[1, 0, 2, 3]]))
    changed("one wrong index", lambda small: small.conv2.weight.copy_(net.conv2.weight[[1, 3, 5]][:, UNITS]))
    add("wrong partner", cut(net, {**KEEP, "conv2.weight": {0: OUTER, 1: [0, 1]}}), {**KEEP, "conv2.weight": {0: OUTER, 1: [0, 1]}})
    for wrong in ("moved constant", "swapped halves", "stale split", "tiny error", "baked batch"):
        add(wrong, cut(net, KEEP, wrong=wrong))
    fewer = {**KEEP, "fc.weight": {0: [0, 1, 2], 1: OUTER}, "fc.bias": {0: [0, 1, 2]}}
    add("fewer outputs", cut(net, fewer, classes=3), fewer)
    add("uncounted", cut(net, KEEP), params=[count(net), 1])
    add("unsorted", cut(net, KEEP), {**KEEP, "norm_weight": {0: [2, 1, 5]}})
    add("not listed", cut(net, KEEP), {name: dims for name, dims in KEEP.items() if name != "norm_weight"})
    # After the cut the norm computes over three channels of six: right only if the manifest says so.
    norm = {"operator": "aten::layer_norm", "scope": "", "dims": [1], "dim": 1, "size": 6, "call": 0, "keep": OUTER}
    for name, approximate in {
        "norm over what is kept": [norm],
        "norm not named": [],
        "norm over others": [{**norm, "keep": [0, 1, 2]}],
        "norm that is not there": [norm, {**norm, "call": 1}],
    }.items():
        add(name, cut(normed, KEEP, normed=True), original="normed", approximate=approximate)
    # The norms of a fused layer are norms too.
    layer = with_kept(Layer(len(OUTER), fused=False), originals["fused"], LAYER)
    over = {**norm, "dims": [2], "dim": 2}
    both = [over, {**over, "call": 1}]
    add("norms of a fused layer", layer, LAYER, original="fused", approximate=both)
    add("norm of a fused layer not named", layer, LAYER, original="fused", approximate=both[:1])
    # What the cut removes is multiplied by zero later: any cut would look right.
    add("inconclusive", cut(hidden, KEEP, wrong="hidden"), original="hidden")
    # A scale of zero in the file hides everything behind it; with refilled weights it must show.
    add("silent and right", cut(silent, KEEP), original="silent")
    add("silent and wrong", cut(silent, KEEP, wrong="swapped halves"), original="silent")

    for kind, original in kinds.items():
        add(f"{kind} and right", cut(original, KEEP, kind=kind), original=kind)
        add(f"{kind} and wrong", cut(original, KEEP, kind=kind, wrong="swapped halves"), original=kind)

    (folder / "requests.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests.values()))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(Path(sys.argv[1]))
