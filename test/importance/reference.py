"""Scores of the units of five small networks, in float64 and by the equations of the papers.

    python test/importance/reference.py        # PyTorch 2.13.0

writes test/fixtures/criteria: the networks as traces, and scores.json with the groups of each and what every criterion gives. Which slices
belong to a unit is written down here by hand, from how each network is built.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent.parent / "fixtures"))
from make import strip  # noqa: E402

warnings.filterwarnings("ignore")
FOLDER = Path(__file__).parent.parent / "fixtures" / "criteria"


class Residual(nn.Module):
    """A block with a shortcut; its stream is flattened, so that a channel has four columns of the last layer."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 5, 3, 1, 1), nn.BatchNorm2d(5)
        self.conv3, self.bn3 = nn.Conv2d(5, 6, 1), nn.BatchNorm2d(6)
        self.fc = nn.Linear(24, 4)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(x)))))
        return self.fc(F.relu(x + y).flatten(1))


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)
        self.dw, self.bn2 = nn.Conv2d(6, 6, 3, 1, 1, groups=6), nn.BatchNorm2d(6)
        self.pw, self.bn3 = nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5)
        self.fc = nn.Linear(5, 4)

    def forward(self, x):
        x = F.relu6(self.bn2(self.dw(F.relu6(self.bn1(self.conv1(x))))))
        return self.fc(F.relu(self.bn3(self.pw(x))).mean([2, 3]))


class Grouped(nn.Module):
    """The two halves of a grouped convolution lose the same channels, or one of them goes as a whole."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1)
        self.conv2 = nn.Conv2d(8, 6, 3, 1, 1, groups=2)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(F.relu(self.conv2(F.relu(self.conv1(x)))).mean([2, 3]))


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 2, 2)
        self.position = nn.Parameter(torch.randn(1, 4, 8))
        self.norm1, self.qkv, self.proj = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.norm2, self.fc1, self.fc2 = nn.LayerNorm(8), nn.Linear(8, 6), nn.Linear(6, 8)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        q, k, v = self.qkv(self.norm1(x)).reshape(-1, 4, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 4, 8)
        x = x + self.proj(y)
        x = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return self.head(self.norm(x).mean(1))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 6, 2, batch_first=True)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


def rows(name, units):
    """A member: its name, its dimension, and the coordinates of each unit."""
    return (name, 0, [[c] if isinstance(c, int) else c for c in units])


def columns(name, units):
    return (name, 1, [[c] if isinstance(c, int) else c for c in units])


def gates(units):
    return [[gate * units + unit for gate in range(4)] for unit in range(units)]


# By network: its groups, each a list of the members that count as weights; and an example.
NETWORKS = {
    "residual": (
        Residual,
        (2, 3, 4, 4),
        [
            [
                rows("conv1.weight", range(6)),
                rows("bn1.weight", range(6)),
                columns("conv2.weight", range(6)),
                rows("conv3.weight", range(6)),
                rows("bn3.weight", range(6)),
                columns("fc.weight", [list(range(4 * u, 4 * u + 4)) for u in range(6)]),
            ],
            [rows("conv2.weight", range(5)), rows("bn2.weight", range(5)), columns("conv3.weight", range(5))],
        ],
    ),
    "depthwise": (
        Depthwise,
        (2, 3, 4, 4),
        [
            [
                rows("conv1.weight", range(6)),
                rows("bn1.weight", range(6)),
                rows("dw.weight", range(6)),
                rows("bn2.weight", range(6)),
                columns("pw.weight", range(6)),
            ],
            [rows("pw.weight", range(5)), rows("bn3.weight", range(5)), columns("fc.weight", range(5))],
        ],
    ),
    "grouped": (
        Grouped,
        (2, 3, 4, 4),
        [
            # What one half of the convolution reads and gives: 4 channels and 3.
            [
                rows("conv1.weight", [[0, 1, 2, 3], [4, 5, 6, 7]]),
                rows("conv2.weight", [[0, 1, 2], [3, 4, 5]]),
                columns("fc.weight", [[0, 1, 2], [3, 4, 5]]),
            ],
            # A channel of each half.
            [rows("conv1.weight", [[d, 4 + d] for d in range(4)]), columns("conv2.weight", range(4))],
            [rows("conv2.weight", [[d, 3 + d] for d in range(3)]), columns("fc.weight", [[d, 3 + d] for d in range(3)])],
        ],
    ),
    "vit": (
        Vit,
        (2, 3, 4, 4),
        [
            [
                rows("patch.weight", range(8)),
                rows("norm1.weight", range(8)),
                columns("qkv.weight", range(8)),
                rows("proj.weight", range(8)),
                rows("norm2.weight", range(8)),
                columns("fc1.weight", range(8)),
                rows("fc2.weight", range(8)),
                rows("norm.weight", range(8)),
                columns("head.weight", range(8)),
            ],
            # A head: rows of queries, keys and values, columns of what reads it.
            [
                rows("qkv.weight", [[8 * part + 4 * h + d for part in range(3) for d in range(4)] for h in range(2)]),
                columns("proj.weight", [[4 * h + d for d in range(4)] for h in range(2)]),
            ],
            # A dimension of all heads, the same for queries, keys and values, which one reshape makes.
            [
                rows("qkv.weight", [[8 * part + 4 * h + d for part in range(3) for h in range(2)] for d in range(4)]),
                columns("proj.weight", [[4 * h + d for h in range(2)] for d in range(4)]),
            ],
            [rows("fc1.weight", range(6)), columns("fc2.weight", range(6))],
        ],
    ),
    "lstm": (
        Lstm,
        (2, 3, 5),
        [
            # A hidden unit of both layers, which have one size: its four gates, and what reads it.
            [
                rows("lstm.weight_ih_l0", gates(6)),
                rows("lstm.weight_hh_l0", gates(6)),
                columns("lstm.weight_hh_l0", range(6)),
                rows("lstm.weight_ih_l1", gates(6)),
                columns("lstm.weight_ih_l1", range(6)),
                rows("lstm.weight_hh_l1", gates(6)),
                columns("lstm.weight_hh_l1", range(6)),
                columns("fc.weight", range(6)),
            ],
        ],
    ),
}


def slices(tensor, dim, units):
    """For each unit its slices, as one row."""
    return np.stack([np.take(tensor, coordinates, axis=dim).ravel() for coordinates in units])


# Each takes, by member, the units' slices [units, elements].


def power_sums(members, p):
    return np.stack([(np.abs(member) ** p).sum(1) for member in members])


REDUCTIONS = {
    "mean": lambda sums: sums.mean(0),
    "sum": lambda sums: sums.sum(0),
    "max": lambda sums: sums.max(0),
    "product": lambda sums: sums.prod(0),
    "first": lambda sums: sums[0],
}
NORMALIZERS = {
    "mean": lambda scores: scores / scores.mean(),
    "sum": lambda scores: scores / scores.sum(),
    "max": lambda scores: scores / scores.max(),
    "standardize": lambda scores: (scores - scores.mean()) / scores.std(),
    "none": lambda scores: scores,
}


def lp(members, p, reduction, normalizer):
    return NORMALIZERS[normalizer](REDUCTIONS[reduction](power_sums(members, p)))


def lamp(members):
    """Lee et al., the LAMP score: with the squares in rising order, each by the sum of those from it on."""
    size = power_sums(members, 2).mean(0)
    order = np.argsort(size, kind="stable")
    scores = np.empty_like(size)
    for place, unit in enumerate(order):
        scores[unit] = size[unit] / size[order[place:]].sum()
    return scores


def fpgm(members):
    """He et al., the sum of distances to all others, of all slices of a unit as one vector."""
    vectors = np.concatenate(members, axis=1)
    return np.linalg.norm(vectors[:, None] - vectors[None], axis=2).sum(1)


def bn_scale(scales):
    """Liu et al., section 3: |gamma|."""
    return np.abs(np.stack([scale[:, 0] for scale in scales])).mean(0)


def weight_scores(group, tensors):
    members = [slices(tensors[name], dim, units) for name, dim, units in group]
    scores = [({"name": "lp", "p": p}, lp(members, p, "mean", "mean")) for p in (0.5, 1, 2, 3)]
    scores += [
        ({"name": "lp", "reduction": reduction, "normalizer": "none"}, lp(members, 2, reduction, "none"))
        for reduction in REDUCTIONS
    ]
    scores += [
        ({"name": "lp", "p": 1, "reduction": "sum", "normalizer": normalizer}, lp(members, 1, "sum", normalizer))
        for normalizer in NORMALIZERS
    ]
    scores += [({"name": "lamp"}, lamp(members))]
    distances = fpgm(members)
    scores += [({"name": "fpgm"}, distances / distances.mean()), ({"name": "fpgm", "normalizer": "none"}, distances)]
    scales = [member for member, (name, _, _) in zip(members, group) if name.startswith(("bn", "norm"))]
    without = lp(members, 1, "mean", "none")
    scores += [({"name": "bnScale", "otherwise": "weights"}, bn_scale(scales) if scales else without)]
    return scores


def made(seed, network):
    torch.manual_seed(seed)
    module = network()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() == 1 and name.endswith("weight"):
                parameter.copy_(torch.randn_like(parameter))
        for name, buffer in module.named_buffers():
            if name.endswith("mean"):
                buffer.copy_(torch.randn_like(buffer) / 4)
            elif name.endswith("var"):
                buffer.uniform_(0.5, 2)
    return module.eval()


def main():
    FOLDER.mkdir(exist_ok=True)
    found = {}
    for seed, (name, (network, shape, groups)) in enumerate(NETWORKS.items()):
        module = made(seed, network)
        torch.jit.trace(module, torch.randn(shape)).save(FOLDER / f"{name}.pt")
        strip(FOLDER / f"{name}.pt")
        tensors = {key: value.detach().double().numpy() for key, value in module.named_parameters()}
        found[name] = {
            "shape": shape,
            "groups": [
                {
                    "members": [{"name": key, "dim": dim, "units": units} for key, dim, units in group],
                    "scores": [[criterion, list(scores)] for criterion, scores in weight_scores(group, tensors)],
                }
                for group in groups
            ],
        }
    (FOLDER / "scores.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
