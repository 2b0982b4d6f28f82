"""Losses, soft losses and metrics as PyTorch and their papers have them, in float64: prints cases with inputs and values as JSON."""

import json
import math

import torch
import torch.nn.functional as F

torch.manual_seed(3)


def array(tensor):
    return {"data": tensor.flatten().tolist(), "shape": list(tensor.shape), "dtype": str(tensor.dtype).split(".")[1]}


cases = []


def add(kind, name, output, targets, value, options=None, **more):
    case = {"kind": kind, "name": name, "options": options, "output": array(output), "value": float(value)}
    if targets is not None:
        case["targets"] = array(targets)
    cases.append({**case, **more})


flat, labels = torch.randn(6, 5), torch.tensor([0, 4, 2, -100, 1, 3])
tokens, words = torch.randn(3, 4, 5), torch.tensor([[0, 1, 2, -100], [4, 4, 3, 1], [2, -100, -100, 0]])
maps, pixels = torch.randn(2, 5, 3, 3), torch.randint(0, 5, (2, 3, 3))
weight = [0.5, 1.0, 2.0, 0.25, 3.0]
f64 = torch.float64


def cross(output, targets, **options):
    return F.cross_entropy(output.to(f64), targets, **options)


add("loss", "crossEntropy", flat, labels, cross(flat, labels))
add("loss", "crossEntropy", tokens, words, cross(tokens.movedim(-1, 1), words))
add("loss", "crossEntropy", maps, pixels, cross(maps, pixels))
for smoothing in (0.1, 1.0):
    value = cross(tokens.movedim(-1, 1), words, label_smoothing=smoothing)
    add("loss", "crossEntropy", tokens, words, value, {"labelSmoothing": smoothing})
value = cross(maps, pixels, weight=torch.tensor(weight, dtype=f64))
add("loss", "crossEntropy", maps, pixels, value, {"weight": weight})
other = torch.where(words < 0, 2, words)
add("loss", "crossEntropy", tokens, other, cross(tokens.movedim(-1, 1), other, ignore_index=2), {"ignoreIndex": 2})
shares = torch.rand(6, 5).softmax(1)
add("loss", "crossEntropy", flat, shares, cross(flat, shares.to(f64)))

values, bits = torch.randn(6, 5), torch.randint(0, 2, (6, 5))
add("loss", "mse", flat, values, F.mse_loss(flat.to(f64), values.to(f64)))
add("loss", "l1", flat, values, F.l1_loss(flat.to(f64), values.to(f64)))
add("loss", "huber", flat, values, F.huber_loss(flat.to(f64), values.to(f64)))
add("loss", "huber", flat, values, F.huber_loss(flat.to(f64), values.to(f64), delta=0.3), {"delta": 0.3})
add("loss", "binaryCrossEntropy", flat, bits, F.binary_cross_entropy_with_logits(flat.to(f64), bits.to(f64)))
value = F.binary_cross_entropy_with_logits(flat.to(f64), bits.to(f64), pos_weight=torch.tensor(weight, dtype=f64))
add("loss", "binaryCrossEntropy", flat, bits, value, {"positiveWeight": weight})

heard, said = torch.randn(3, 9, 5), torch.tensor([[1, 2, 2, 3], [4, 1, -1, -1], [3, -100, -100, -100]])
lengths = torch.tensor([4, 2, 1])
value = F.ctc_loss(heard.to(f64).log_softmax(-1).transpose(0, 1), said.clamp(min=0), torch.tensor([9, 9, 9]), lengths)
add("loss", "ctc", heard, said, value)
value = F.ctc_loss(
    heard.to(f64).log_softmax(-1).transpose(0, 1), (said + 1).clamp(min=0) % 5, torch.tensor([9, 9, 9]), lengths, blank=0
)
add("loss", "ctc", heard.movedim(-1, 1), torch.where(said < 0, said, (said + 1) % 5), value, None, classAxis=1)


def soft(output, teacher, axis, temperature, keep=None):
    """The formula as it is written: T^2 * sum p log(p / q)."""
    p = (teacher.to(f64) / temperature).softmax(axis)
    q = (output.to(f64) / temperature).softmax(axis)
    each = (p * (p.log() - q.log())).sum(axis)
    return temperature**2 * (each.mean() if keep is None else each[keep].mean())


for temperature in (1.0, 4.0):
    teacher = torch.randn(6, 5)
    about = {"teacher": array(teacher), "temperature": temperature}
    add("soft", "crossEntropy", flat, None, soft(flat, teacher, 1, temperature), **about)
    add("soft", "crossEntropy", flat, labels, soft(flat, teacher, 1, temperature, labels >= 0), **about)
    teacher = torch.randn(3, 4, 5)
    about = {"teacher": array(teacher), "temperature": temperature, "classAxis": -1}
    add("soft", "crossEntropy", tokens, words, soft(tokens, teacher, -1, temperature, words >= 0), **about)
teacher = torch.randn(6, 5)
about = {"teacher": array(teacher), "temperature": 2.0}
value = F.binary_cross_entropy_with_logits(flat.to(f64), teacher.to(f64).sigmoid())
add("soft", "binaryCrossEntropy", flat, bits, value, **about)
add("soft", "mse", flat, values, F.mse_loss(flat.to(f64), teacher.to(f64)), **about)
value = F.mse_loss(flat.to(f64), teacher.to(f64)) / teacher.to(f64).var(unbiased=False)
add("soft", None, flat, None, value, **about)

known = labels >= 0
add("metric", "accuracy", flat, labels, (flat.argmax(1) == labels)[known].double().mean())
add("metric", "accuracy", maps, pixels, (maps.argmax(1) == pixels).double().mean())
for k in (1, 2, 5):
    hits = (flat.topk(k, 1).indices == labels[:, None]).any(1)
    add("metric", f"top{k}", flat, labels, hits[known].double().mean(), k)
hits = (maps.topk(2, 1).indices == pixels[:, None]).any(1)
add("metric", "top2", maps, pixels, hits.double().mean(), 2)
add("metric", "perplexity", tokens, words, math.exp(cross(tokens.movedim(-1, 1), words)))
seen = maps.argmax(1)
overlaps = []
for c in range(5):
    union = ((seen == c) | (pixels == c)).sum()
    if union > 0:
        overlaps.append(((seen == c) & (pixels == c)).sum().double() / union)
add("metric", "meanIoU", maps, pixels, sum(overlaps) / len(overlaps))
errors = ((flat - values).to(f64) ** 2).sum(0)
spread = ((values.to(f64) - values.to(f64).mean(0)) ** 2).sum(0)
add("metric", "r2", flat, values, (1 - errors / spread).mean())
teacher = torch.randn(6, 5)
same = (flat.argmax(1) == teacher.argmax(1)).double().mean()
add("metric", "agreement", flat, None, same, teacher=array(teacher))

print(json.dumps(cases))
