"""The networks that the benchmarks measure, in plain PyTorch, and how long their eager forward takes.

    python models.py FOLDER [NAME ...]

writes NAME.pt for each (all by default) into FOLDER, says `ready`, and then answers each line `NAME forward` on standard
input with the milliseconds of one eager forward on one thread, without gradients, and `NAME backward` with those of a forward
and backward at batch 1, in training mode.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Bottleneck(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        out = 4 * width
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.shortcut = None
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet50(nn.Module):
    """He et al. 2015, https://arxiv.org/abs/1512.03385, table 1."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        blocks, channels = [], 64
        for width, depth, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for k in range(depth):
                blocks.append(Bottleneck(channels, width, stride if k == 0 else 1))
                channels = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, 1000)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(F.adaptive_avg_pool2d(self.blocks(x), 1).flatten(1))


class InvertedResidual(nn.Module):
    def __init__(self, channels, out, stride, expand):
        super().__init__()
        wide = channels * expand
        layers = []
        if expand != 1:
            layers += [nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        layers += [nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        layers += [nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and channels == out

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, https://arxiv.org/abs/1801.04381, table 2."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6()]
        channels = 32
        for expand, out, depth, stride in (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        ):
            for k in range(depth):
                layers.append(InvertedResidual(channels, out, stride if k == 0 else 1, expand))
                channels = out
        layers += [nn.Conv2d(channels, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class Squeeze(nn.Module):
    def __init__(self, wide, narrow):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(wide, narrow, 1), nn.Conv2d(narrow, wide, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(F.silu(self.reduce(F.adaptive_avg_pool2d(x, 1)))))


class MBConv(nn.Module):
    def __init__(self, channels, out, kernel, stride, expand):
        super().__init__()
        wide = channels * expand
        layers = []
        if expand != 1:
            layers += [nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.SiLU()]
        layers += [nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False), nn.BatchNorm2d(wide)]
        layers += [nn.SiLU(), Squeeze(wide, channels // 4), nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and channels == out

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class EfficientNetB0(nn.Module):
    """Tan and Le 2019, https://arxiv.org/abs/1905.11946, table 1."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU()]
        channels = 32
        for expand, out, depth, stride, kernel in (
            (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
            (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
        ):
            for k in range(depth):
                layers.append(MBConv(channels, out, kernel, stride if k == 0 else 1, expand))
                channels = out
        layers += [nn.Conv2d(channels, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class ConvNeXtBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand, self.reduce = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.reduce(F.gelu(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtT(nn.Module):
    """Liu et al. 2022, https://arxiv.org/abs/2201.03545, table 9."""

    def __init__(self):
        super().__init__()
        layers, channels = [nn.Conv2d(3, 96, 4, 4), ChannelNorm(96, eps=1e-6)], 96
        for width, depth in ((96, 3), (192, 3), (384, 9), (768, 3)):
            if width != channels:
                layers += [ChannelNorm(channels, eps=1e-6), nn.Conv2d(channels, width, 2, 2)]
            layers += [ConvNeXtBlock(width) for _ in range(depth)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(channels, eps=1e-6), nn.Linear(channels, 1000)

    def forward(self, x):
        return self.head(self.norm(self.features(x).mean([2, 3])))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    """Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929, table 1: Base, patches of 16."""

    def __init__(self, width=768, depth=12, heads=12):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 197, width) * 0.02)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1000)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class Deep(nn.Module):
    """A residual network of `depth` convolutions."""

    def __init__(self, depth, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth - 1))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(depth - 1))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.stem(x)
        for k in range(0, len(self.convs) - 1, 2):
            y = F.relu(self.norms[k](self.convs[k](x)))
            x = F.relu(x + self.norms[k + 1](self.convs[k + 1](y)))
        return self.head(x.mean([2, 3]))


class Transformer(nn.Module):
    """`depth` blocks of a language model's width; every weight is one number in memory, shown at full size."""

    def __init__(self, depth, width=4096, heads=32):
        super().__init__()
        with torch.device("meta"):
            self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
            self.head = nn.Linear(width, 16)
        for module in self.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                setattr(module, name, nn.Parameter(torch.full((1,), 0.01).expand(parameter.shape)))

    def forward(self, x):
        return self.head(self.blocks(x))


NETWORKS = {
    "resnet50": (ResNet50, (1, 3, 224, 224)),
    "vit_b_16": (ViT, (1, 3, 224, 224)),
    "mobilenet_v2": (MobileNetV2, (1, 3, 224, 224)),
    "efficientnet_b0": (EfficientNetB0, (1, 3, 224, 224)),
    "convnext_t": (ConvNeXtT, (1, 3, 224, 224)),
    **{f"deep_{depth}": (lambda depth=depth: Deep(depth), (1, 3, 8, 8)) for depth in (125, 250, 500, 1000)},
    **{f"wide_{depth}": (lambda depth=depth: Transformer(depth), (1, 2, 4096)) for depth in (8, 16, 32)},
}


def forward(model, x):
    with torch.no_grad():
        model.eval()(x)


def backward(model, x):
    model.train()(x).sum().backward()
    model.zero_grad()


PASSES = {"forward": forward, "backward": backward}


def main():
    folder, *names = sys.argv[1:]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    eager = {}
    for name, (make, shape) in NETWORKS.items():
        if names and name not in names:
            continue
        model, x = make().eval(), torch.randn(shape)
        with torch.no_grad():
            torch.jit.trace(model, x, check_trace=False).save(f"{folder}/{name}.pt")
        if shape[-1] == 224:
            eager[name] = (model, x)
    print("ready", flush=True)
    for line in sys.stdin:
        name, kind = line.split()
        start = time.perf_counter()
        PASSES[kind](*eager[name])
        print((time.perf_counter() - start) * 1000, flush=True)


if __name__ == "__main__":
    main()
