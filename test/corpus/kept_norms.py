"""Norms and means over what a manifest says is kept."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tensors import select


class KeptNorms(TorchDispatchMode):
    """Makes the norms and means that a manifest names compute over the coordinates that are kept, and over no others.

    An entry names the n-th call of its operator among those over the same dimensions with the same size of the one that
    is cut. What a norm no longer gives is zero. Every entry must be met.
    """

    REDUCTIONS = {"mean", "var", "std", "var_mean", "std_mean"}
    NORMS = {"native_layer_norm": "layer_norm", "_fused_rms_norm": "rms_norm", "native_group_norm": "group_norm"}

    def __init__(self, entries):
        super().__init__()
        self.entries, self.calls, self.met = entries, {}, set()

    def check(self):
        for k, entry in enumerate(self.entries):
            if k not in self.met:
                raise ValueError(f"the manifest names call {entry['call']} of {entry['operator']} over {entry['dims']}, which did not happen")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        packet = function._schema.name.removeprefix("aten::")
        if packet == "_transformer_encoder_layer_fwd" and self.entries:
            with self:
                return open_encoder_layer(*args, **kwargs)
        operator = packet if packet in self.REDUCTIONS else self.NORMS.get(packet)
        if operator is None or not self.entries:
            return function(*args, **kwargs)
        dims = self.dims_of(operator, args, kwargs)
        cuts = {}
        for dim in dims:
            key = (f"aten::{operator}", tuple(dims), dim, args[0].shape[dim])
            call = self.calls[key] = self.calls.get(key, -1) + 1
            for k, entry in enumerate(self.entries):
                if key == (entry["operator"], tuple(entry["dims"]), entry["dim"], entry["size"]) and entry["call"] == call:
                    cuts[dim] = torch.tensor(entry["keep"])
                    self.met.add(k)
        if not cuts:
            return function(*args, **kwargs)
        kept = select(args[0], cuts)
        if operator in self.REDUCTIONS:
            return function(kept, *args[1:], **kwargs)
        return getattr(self, operator)(function, kept, args, cuts)

    @staticmethod
    def dims_of(operator, args, kwargs):
        rank = args[0].dim()
        if operator == "group_norm":
            return [1]
        if operator in ("layer_norm", "rms_norm"):
            return list(range(rank - len(args[1]), rank))
        dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
        dims = [dims] if isinstance(dims, int) else dims
        return sorted(dim % rank for dim in dims) if dims else list(range(rank))

    @staticmethod
    def put_back(small, like, cuts):
        for dim, indices in cuts.items():
            shape = list(small.shape)
            shape[dim] = like.shape[dim]
            small = small.new_zeros(shape).index_copy(dim, indices, small)
        return small

    def layer_norm(self, function, kept, args, cuts):
        first = args[0].dim() - len(args[1])
        own = {dim - first: indices for dim, indices in cuts.items()}
        affine = [None if t is None else select(t, own) for t in args[2 : 4 if len(args) > 4 else 3]]
        result = function(kept, list(kept.shape[first:]), *affine, *args[2 + len(affine) :])
        return (self.put_back(result[0], args[0], cuts), *result[1:])

    rms_norm = layer_norm

    def group_norm(self, function, kept, args, cuts):
        x, weight, bias, n, channels, pixels, groups, eps = args
        indices = cuts[1]
        left = len(set((indices // (channels // groups)).tolist()))
        affine = [None if t is None else select(t, {0: indices}) for t in (weight, bias)]
        result = function(kept.contiguous(), *affine, n, len(indices), pixels, left, eps)
        return (self.put_back(result[0], x, cuts), *result[1:])


def open_encoder_layer(
    src, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, use_gelu, norm_first, eps,
    norm_weight_1, norm_bias_1, norm_weight_2, norm_bias_2, ffn_weight_1, ffn_bias_1, ffn_weight_2, ffn_bias_2,
    mask=None, mask_type=None,
):
    """`aten::_transformer_encoder_layer_fwd` with its norms as operators of their own."""

    def attention(x):
        return torch._native_multi_head_attention(
            x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, False, True, mask_type
        )[0]

    def feed_forward(x):
        x = torch.nn.functional.linear(x, ffn_weight_1, ffn_bias_1)
        x = torch.nn.functional.gelu(x) if use_gelu else torch.relu(x)
        return torch.nn.functional.linear(x, ffn_weight_2, ffn_bias_2)

    def norm(x, weight, bias):
        return torch.native_layer_norm(x, [embed_dim], weight, bias, eps)[0]

    if norm_first:
        x = src + attention(norm(src, norm_weight_1, norm_bias_1))
        return x + feed_forward(norm(x, norm_weight_2, norm_bias_2))
    x = norm(src + attention(src), norm_weight_1, norm_bias_1)
    return norm(x + feed_forward(x), norm_weight_2, norm_bias_2)
