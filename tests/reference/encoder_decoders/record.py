"""Records what transformers computes with a small random model of each family of encoder-decoders.

    pip install torch "transformers>=5.23"
    python tests/reference/encoder_decoders/record.py [NAME...]

Writes, for each: config.json and model.safetensors as `save_pretrained` does, and expected.json:
`begin`, with which every text begins, what it is that ends a source, logits behind that beginning, and
what greedy and beam search write (see ../small.py). Sources run as one batch, padded on the right.
"""

import pathlib
import sys

import torch
import transformers as t

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from small import PROMPTS, VOCABULARY, rounded, saved, searched, show, write  # noqa: E402

SHAPE = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 128,
    "init_std": 0.25,
    "scale_embedding": True,
    "eos_token_id": 258,
    "forced_eos_token_id": None,
}
T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    # Heads that together are wider than a hidden state.
    "d_kv": 12,
    "d_ff": 48,
    # As many in both stacks: transformers 5.23 makes caches for the encoder's.
    "num_layers": 3,
    "num_decoder_layers": 3,
    "num_heads": 4,
    # So few and so near that texts reach them all.
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "pad_token_id": 0,
    "decoder_start_token_id": 0,
    "eos_token_id": 258,
}
# The token that stands for English, where a text begins with that.
ENGLISH = 65
FAMILIES = {
    # Helsinki-NLP/opus-mt-de-en
    "marian": t.MarianConfig(
        **SHAPE,
        activation_function="swish",
        pad_token_id=257,
        decoder_start_token_id=257,
        share_encoder_decoder_embeddings=True,
    ),
    # A vocabulary for each side, as the hub has it for some pairs.
    "marian-two": t.MarianConfig(
        **SHAPE | {"vocab_size": VOCABULARY + 7},
        decoder_vocab_size=VOCABULARY,
        activation_function="gelu",
        pad_token_id=257,
        decoder_start_token_id=257,
        share_encoder_decoder_embeddings=False,
    ),
    # facebook/nllb-200-distilled-600M, facebook/m2m100_418M
    "m2m100": t.M2M100Config(
        **SHAPE,
        activation_function="relu",
        pad_token_id=1,
        decoder_start_token_id=258,
        bos_token_id=256,
    ),
    # google/madlad400-3b-mt, google/t5-v1_1-small
    "madlad": t.T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    # google-t5/t5-small
    "t5": t.T5Config(**T5, feed_forward_proj="relu", tie_word_embeddings=True),
}
# What texts begin with behind the first token; the seeds of the weights.
FORCED = {"m2m100": ENGLISH}
SEEDS = {"marian": 9, "marian-two": 13, "m2m100": 7, "madlad": 4, "t5": 4}


def recorded(model, config, forced):
    sources = [[*prompt.encode(), 258] for prompt in PROMPTS]
    longest = max(map(len, sources))
    pad = config.pad_token_id
    ids = torch.tensor([s + [pad] * (longest - len(s)) for s in sources])
    mask = torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in sources])
    inputs = {"input_ids": ids, "attention_mask": mask}
    begin = [config.decoder_start_token_id] + ([] if forced is None else [forced])
    start = torch.tensor([begin] * len(sources))
    logits = model(**inputs, decoder_input_ids=start).logits[:, -1]
    more = {} if forced is None else {"forced_bos_token_id": forced}
    written = searched(model, inputs, len(begin), len(begin) - 1, **more)
    return {"end": [258], "begin": begin, "logits": rounded(logits), "written": written}


def varied(model, name):
    """Norms and biases that differ, and sums of which no part drowns the others."""
    for parameter, tensor in model.named_parameters():
        if "norm" in parameter and parameter.endswith("weight"):
            tensor.add_(torch.randn_like(tensor) * 0.2)
        elif parameter.endswith("bias"):
            tensor.copy_(torch.randn_like(tensor) * 0.2)
        elif "encoder_attn.out_proj" in parameter:
            tensor.mul_(0.4 if name.startswith("marian") else 1.0)
        elif "fc" in parameter or "self_attn" in parameter:
            # So that little of the token that is read is left where the next is chosen.
            tensor.mul_(2 if name.startswith("marian") else 3)
    # Small where sums grow from layer to layer, so that a text doesn't say its last token again.
    tables = {id(t): t for t in (model.model.encoder.embed_tokens.weight, model.model.decoder.embed_tokens.weight)}
    for table in tables.values():
        table.mul_(2.0 if name.startswith("marian") else 0.5)
        table[[256, 258]] *= 1.5
    if name.startswith("marian"):
        model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias) * 0.1)


def varied_t5(model, name):
    """The same for T5, whose own random weights are small, and whose embeddings are large."""
    for parameter, tensor in model.named_parameters():
        if "norm" in parameter:
            tensor.add_(torch.randn_like(tensor) * 0.2)
        elif "relative_attention_bias" in parameter:
            tensor.copy_(torch.randn_like(tensor))
        elif "block" in parameter:
            tensor.copy_(torch.randn_like(tensor) * 0.5)
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    embedding.mul_(0.3)
    if head is not embedding:
        head.mul_(0.2)
    head[[256, 258]] *= 1.3


@torch.no_grad()
def main():
    for name, config in FAMILIES.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        torch.manual_seed(SEEDS[name])
        folder = HERE / name
        model = t.AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32).eval()
        (varied_t5 if config.model_type == "t5" else varied)(model, name)
        expected = recorded(saved(model, folder), config, FORCED.get(name))
        write(folder, expected, t)
        show(name, expected)


if __name__ == "__main__":
    main()
