"""What the scripts that record small random models share: prompts, searches, and what may be written.

Tokens are bytes and three control tokens, as in tests/common/tiny.rs. Prompts run as one batch, padded
on the left. Tokens that English output can't hold are suppressed, what is left is normalised, and line
breaks end a text, as in src/engine/vocabulary.rs.
"""

import json

import torch

VOCABULARY, BREAKS = 259, [10, 13]
ENDS = [256, 258, *BREAKS]
ALLOWED = {9, *range(0x20, 0x7F), *range(0x80, 0xC0), *range(0xC2, 0xCE), 0xE1, 0xE2, *ENDS}
PROMPTS = ["A heading and one sentence.", "x", "Three of the 84 passengers, police said, were not hurt."]
# Fewer than the program takes for a text that goes round in circles.
TOKENS = 11
SEARCHES = [(1, 1.0), (4, 1.0), (4, 0.0), (3, 2.0)]
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 256,
    "initializer_range": 0.25,
    "eos_token_id": [258, 256],
    "bos_token_id": 256,
    "pad_token_id": 0,
}


def randomise(model):
    """Norms that differ, and embeddings so small that a tied head doesn't say the last token again;
    but for those that end."""
    for name, tensor in model.named_parameters():
        if name.endswith("norm.weight"):
            tensor.add_(torch.randn_like(tensor) * 0.2)
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    embedding.mul_(0.15)
    head[[256, 258]] *= 3 if head is embedding else 1.5


def batch():
    prompts = [list(prompt.encode()) for prompt in PROMPTS]
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    return {"input_ids": ids, "attention_mask": mask}


def recorded(model):
    """Logits behind each prompt, and what greedy and beam search write."""
    inputs = batch()
    positions = inputs["attention_mask"].cumsum(-1).sub(1).clamp(min=0)
    logits = model(**inputs, position_ids=positions).logits[:, -1]
    written = searched(model, inputs, inputs["input_ids"].shape[1], pad_token_id=0)
    return {"logits": rounded(logits), "written": written}


def rounded(logits):
    return [[round(x, 5) for x in row] for row in logits.tolist()]


def searched(model, inputs, before, forced=0, **more):
    """What greedy and beam search write behind the first `before` tokens, the last `forced` of which
    transformers writes itself."""
    written = []
    for beams, penalty in SEARCHES:
        out = model.generate(
            **inputs,
            max_new_tokens=TOKENS + forced,
            do_sample=False,
            num_beams=beams,
            length_penalty=penalty if beams > 1 else None,
            early_stopping=False if beams > 1 else None,
            eos_token_id=ENDS,
            suppress_tokens=[t for t in range(VOCABULARY) if t not in ALLOWED],
            renormalize_logits=True,
            **more,
        )
        rows = []
        for row in out[:, before:].tolist():
            # The program reads over line breaks in front of a text; transformers would end there.
            assert row[0] not in BREAKS
            end = next((i for i, token in enumerate(row) if token in ENDS), None)
            rows.append({"tokens": row[:end], "cut_off": end is None})
        written.append({"beams": beams, "length_penalty": penalty, "outputs": rows})
    return written


def saved(model, folder):
    """The model as `folder` then has it: rounded to 16 bits, half the bytes in the repository, but for
    the positions."""
    model.to(torch.bfloat16).save_pretrained(folder)
    return type(model).from_pretrained(folder, dtype=torch.float32).eval()


def write(folder, expected, *versions):
    """Writes expected.json, and leaves nothing else there that isn't the model's."""
    for extra in ["README.md", "generation_config.json"]:
        (folder / extra).unlink(missing_ok=True)
    versions = {module.__name__: module.__version__ for module in (torch, *versions)}
    expected = {"versions": versions, "prompts": PROMPTS, **expected}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def show(name, recording):
    for search in recording["written"]:
        print(name, search["beams"], search["length_penalty"])
        for out in search["outputs"]:
            print("   ", len(out["tokens"]), out["cut_off"], bytes(out["tokens"]))
