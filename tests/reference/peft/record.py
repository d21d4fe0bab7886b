"""Records what PEFT and transformers compute with small random models and adapters over them.

    pip install torch "transformers>=5.23" "peft>=0.21"
    python tests/reference/peft/record.py

Writes, for each model: config.json and model.safetensors (the base), adapter_config.json and
adapter_model.safetensors (PEFT's `save_pretrained`), and expected.json: logits behind each prompt, and
what greedy and beam search write, with the adapter and without; see ../small.py.
"""

import pathlib
import sys

import peft
import torch
import transformers

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from small import SHAPE, randomise, recorded, show, write  # noqa: E402

PARTS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

MODELS = {
    # Seven layers: six see a window of 5 tokens, one sees all.
    "gemma3": (
        transformers.Gemma3TextConfig(
            **SHAPE, num_hidden_layers=7, head_dim=16, query_pre_attn_scalar=16, sliding_window=5
        ),
        {"r": 3, "lora_alpha": 12},
    ),
    "qwen2": (
        transformers.Qwen2Config(**SHAPE, num_hidden_layers=2, tie_word_embeddings=False),
        {"r": 4, "lora_alpha": 6, "use_rslora": True},
    ),
}


@torch.no_grad()
def main():
    for seed, (name, (config, lora)) in enumerate(MODELS.items(), 7):
        torch.manual_seed(seed)
        folder = HERE / name
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        randomise(model)
        model.save_pretrained(folder)
        base = recorded(model)
        adapted = peft.get_peft_model(model, peft.LoraConfig(target_modules=PARTS, **lora)).eval()
        for tensor_name, tensor in adapted.named_parameters():
            if "lora_B" in tensor_name:
                tensor.copy_(torch.randn_like(tensor) * 0.15)
        adapted.save_pretrained(folder)
        with_adapter = recorded(adapted)
        merged = recorded(adapted.merge_and_unload())
        assert merged["written"] == with_adapter["written"]
        assert base["written"] != with_adapter["written"]
        expected = {"base": base, "adapted": with_adapter}
        write(folder, expected, transformers, peft)
        for kind in ["base", "adapted"]:
            show(f"{name} {kind}", expected[kind])


if __name__ == "__main__":
    main()
