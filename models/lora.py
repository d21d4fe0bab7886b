"""What the recipes in judge/ and bengali/ share: a base model as its GGUF file has it, and low-rank
adapters over its linear layers (LoRA, Hu et al. 2021), named as PEFT names them."""

import math

import torch


def base(gguf):
    """The model in the GGUF file at `gguf`, a path, with its quantised weights in bf16; frozen."""
    from transformers import AutoModelForCausalLM, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    return model.requires_grad_(False)


class LowRank(torch.nn.Module):
    """A linear layer and what is learnt beside it: W·x + B·A·x·scale, with A `down` [rank, in] and B
    `up` [out, rank], which is zero at first."""

    def __init__(self, linear, rank, scale):
        super().__init__()
        self.linear, self.scale = linear, scale
        down = torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features)
        self.down = torch.nn.Parameter(down)
        self.up = torch.nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x):
        down, up = self.down.to(x.dtype), self.up.to(x.dtype)
        return self.linear(x) + (x @ down.T @ up.T) * self.scale


def adapt(layers, first, rank, scale, kind=LowRank):
    """Puts an adapter over each linear layer of `layers`, the first of which is the model's layer
    `first`; returns them by PEFT's names."""
    adapters = {}
    for n, layer in enumerate(layers, first):
        for block in ["self_attn", "mlp"]:
            module = getattr(layer, block)
            for part, linear in list(module.named_children()):
                if isinstance(linear, torch.nn.Linear):
                    adapter = kind(linear, rank, scale)
                    setattr(module, part, adapter)
                    adapters[f"base_model.model.model.layers.{n}.{block}.{part}"] = adapter
    return adapters
