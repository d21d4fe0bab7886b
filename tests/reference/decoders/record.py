"""Records what transformers computes with a small random model of each family of decoders.

    pip install torch "transformers>=5.23"
    python tests/reference/decoders/record.py [NAME...]

Writes, for each: config.json and model.safetensors as `save_pretrained` does, and expected.json (see
../small.py). What differs between families in the authors' own config.json is set as there, only
smaller; each comment names the model.
"""

import pathlib
import sys

import torch
import transformers as t

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from small import SHAPE, randomise, recorded, saved, show, write  # noqa: E402

QWEN35 = {
    **SHAPE,
    "num_hidden_layers": 4,
    "head_dim": 16,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10_000_000.0,
        "mrope_section": [1, 1, 0],
        "partial_rotary_factor": 0.25,
        "mrope_interleaved": True,
    },
}
FAMILIES = {
    # Qwen/Qwen2.5-0.5B-Instruct: biases of queries, keys and values, one matrix in and out.
    "qwen2-tied": t.Qwen2Config(
        **SHAPE, num_hidden_layers=2, tie_word_embeddings=True, rope_theta=1_000_000.0
    ),
    # Qwen/Qwen3-1.7B, NiuTrans/LMT-60-1.7B: heads wider than their share.
    "qwen3-tied": t.Qwen3Config(
        **SHAPE, num_hidden_layers=2, head_dim=24, tie_word_embeddings=True, rope_theta=1_000_000.0
    ),
    # Qwen/Qwen3-8B
    "qwen3": t.Qwen3Config(
        **SHAPE, num_hidden_layers=2, head_dim=16, tie_word_embeddings=False, rope_theta=1_000_000.0
    ),
    # HuggingFaceTB/SmolLM2-1.7B-Instruct
    "smollm2": t.LlamaConfig(
        **SHAPE, num_hidden_layers=2, tie_word_embeddings=True, rope_theta=130_000.0
    ),
    # meta-llama/Llama-3.2-3B-Instruct; trained on 16 positions instead of 8,192.
    "llama3": t.LlamaConfig(
        **SHAPE,
        num_hidden_layers=2,
        tie_word_embeddings=True,
        head_dim=32,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    ),
    # HuggingFaceTB/SmolLM3-3B: every fourth layer isn't told positions.
    "smollm3": t.SmolLM3Config(
        **SHAPE, num_hidden_layers=5, tie_word_embeddings=True, rope_theta=5_000_000.0
    ),
    # google/gemma-3-4b-it, google/translategemma-4b-it: global layers' positions are scaled.
    "gemma3": t.Gemma3TextConfig(
        **SHAPE,
        num_hidden_layers=7,
        head_dim=16,
        query_pre_attn_scalar=24,
        sliding_window=5,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "rope_theta": 1_000_000.0, "factor": 8.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        },
    ),
    # google/gemma-4-E2B-it: embeddings of each layer, the last layers read the keys of others and are
    # wider, global layers have larger heads, of which a quarter is turned; logits have a cap.
    "gemma4": t.Gemma4TextConfig(
        **SHAPE,
        num_hidden_layers=6,
        head_dim=16,
        global_head_dim=32,
        layer_types=["sliding_attention", "full_attention"] * 3,
        sliding_window=5,
        num_kv_shared_layers=2,
        use_double_wide_mlp=True,
        hidden_size_per_layer_input=16,
        vocab_size_per_layer_input=SHAPE["vocab_size"],
        final_logit_softcapping=30.0,
    ),
    # google/gemma-4-31B-it: no such embeddings; global layers' values are their keys.
    "gemma4-wide": t.Gemma4TextConfig(
        **SHAPE | {"num_attention_heads": 4, "num_key_value_heads": 2},
        num_hidden_layers=4,
        head_dim=8,
        global_head_dim=16,
        num_global_key_value_heads=1,
        attention_k_eq_v=True,
        layer_types=["sliding_attention", "full_attention"] * 2,
        sliding_window=5,
        hidden_size_per_layer_input=0,
        final_logit_softcapping=30.0,
    ),
    # Qwen/Qwen3.5-2B: every fourth layer has attention, with a gate for each head, of which a quarter is
    # turned; the others have the gated delta rule.
    "qwen35": t.Qwen3_5TextConfig(**QWEN35, tie_word_embeddings=True, linear_num_value_heads=2),
    # Qwen/Qwen3.5-4B: several heads of values share keys.
    "qwen35-shared": t.Qwen3_5TextConfig(**QWEN35, tie_word_embeddings=False, linear_num_value_heads=4),
    # tencent/Hy-MT2-1.8B: norms behind the rotation, whose base is stretched.
    "hunyuan": t.HunYuanDenseV1Config(
        **SHAPE,
        num_hidden_layers=2,
        head_dim=16,
        tie_word_embeddings=True,
        rope_parameters={
            "rope_type": "dynamic",
            "rope_theta": 10_000.0,
            "alpha": 1000.0,
            "factor": 1.0,
        },
    ),
}

# Of those weights with which no line break is among the likeliest first tokens: the program reads over
# those, and transformers ends there.
SEEDS = {"hunyuan": 21, "gemma4": 32, "gemma4-wide": 43, "qwen35": 51, "qwen35-shared": 52}


@torch.no_grad()
def main():
    for seed, (name, config) in enumerate(FAMILIES.items(), 3):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        torch.manual_seed(SEEDS.get(name, seed))
        folder = HERE / name
        model = t.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        randomise(model)
        for buffer, tensor in model.named_buffers():
            if buffer.endswith(".layer_scalar"):
                tensor.fill_(0.75 + 0.5 * torch.rand(1).item())
        for parameter, tensor in model.named_parameters():
            if parameter.endswith((".bias", ".dt_bias")):
                tensor.copy_(torch.randn_like(tensor) * 0.2)
        expected = recorded(saved(model, folder))
        write(folder, expected, t)
        show(name, expected)


if __name__ == "__main__":
    main()
