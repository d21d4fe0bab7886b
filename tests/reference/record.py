#!/usr/bin/env python3
"""Records what llama.cpp computes, as fixtures for the engine's tests. See README.md.

    python record.py MODELS_FOLDER OUTPUT_FOLDER [--only MODEL] [--threads N]
"""

import argparse
import ctypes
import hashlib
import importlib.metadata
import json
import pathlib
import re

import jinja2.sandbox
import llama_cpp
import numpy as np

import texts

MODELS = {
    "qwen2.5-coder-1.5b": "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    "gemma-3-270m": "gemma-3-270m-q4_k_m.gguf",
    "smollm2-135m": "SmolLM2-135M-Instruct.Q4_1.gguf",
}
CONTINUATION_TOKENS = 24
GGML_TYPE_F32 = 0
# Stands in article text for the characters of a control token while the template is rendered.
SHIELD = "\ue000"


def versions():
    names = ("llama-cpp-python", "numpy", "jinja2")
    return {name: importlib.metadata.version(name) for name in names}


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def significant(value, digits=5):
    return float(f"{float(value):.{digits}g}")


class Reference:
    """One GGUF file in llama.cpp: f32 KV cache, no flash attention."""

    def __init__(self, path, threads):
        self.llama = llama_cpp.Llama(
            str(path), n_ctx=1536, n_batch=256, n_ubatch=256, n_threads=threads, n_threads_batch=threads,
            flash_attn=False, type_k=GGML_TYPE_F32, type_v=GGML_TYPE_F32, verbose=False,
        )

    def tokenize(self, text, special):
        return self.llama.tokenize(text.encode(), add_bos=False, special=special)

    def evaluate(self, ids):
        """Appends `ids` and gives the logits after the last of them."""
        self.llama.eval(ids)
        pointer = llama_cpp.llama_get_logits_ith(self.llama.ctx, -1)
        row = np.ctypeslib.as_array(
            ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), shape=(self.llama.n_vocab(),)
        )
        return row.copy()

    def bos(self):
        """Ids that the model expects in front of everything."""
        add = self.llama.metadata.get("tokenizer.ggml.add_bos_token", "")
        architecture = self.llama.metadata["general.architecture"]
        return [self.llama.token_bos()] if add == "true" or architecture.startswith("gemma") else []


def sequences(name, reference):
    """The token sequences whose logits are recorded."""
    gemma = name.startswith("gemma")
    bos = reference.bos()
    return [
        ("short", bos + reference.tokenize(texts.SHORT_TEXT, False)),
        ("german", bos + reference.tokenize(texts.SHOTS_DE if gemma else texts.CHATML_DE, not gemma)),
        ("chinese", bos + reference.tokenize(texts.SHOTS_ZH if gemma else texts.CHATML_ZH, not gemma)),
        ("long", bos + reference.tokenize(texts.LONG_TEXT, False)),
    ]


def record_logits(name, reference):
    vocabulary = reference.llama.n_vocab()
    fixed = sorted({(i * 7919 + 13) % vocabulary for i in range(30)})
    records = []
    for label, ids in sequences(name, reference):
        last = len(ids) - 1
        positions = {len(ids) // 2, last}
        if last > 520:
            positions |= {510, 511, 512, 513, 600}
        reference.llama.reset()
        start, rows = 0, []
        for position in sorted(p for p in positions if p <= last):
            logits = reference.evaluate(ids[start : position + 1])
            start = position + 1
            top = np.argsort(-logits, kind="stable")[:20]
            rows.append({
                "position": position,
                "top": [[int(i), significant(logits[i])] for i in top],
                "fixed": [significant(logits[i]) for i in fixed],
                "mean": significant(logits.mean()),
                "deviation": significant(logits.std()),
            })
        greedy = []
        for _ in range(CONTINUATION_TOKENS):
            first, second = (int(i) for i in np.argsort(-logits, kind="stable")[:2])
            # The margin tells whether a difference in rounding may choose another token.
            greedy.append([first, significant(logits[first] - logits[second])])
            logits = reference.evaluate([first])
        records.append({"name": label, "ids": ids, "positions": rows, "greedy": greedy})
    return {"fixed_ids": fixed, "sequences": records}


def record_tokens(name, reference):
    plain = [{"text": text, "ids": reference.tokenize(text, False)} for text in texts.TOKENIZER_TEXTS]
    prompts = [texts.CHATML_DE, texts.CHATML_ZH, "<|endoftext|>", "<bos>a<eos>", "<start_of_turn>user\nx<end_of_turn>\n"]
    special = [{"text": text, "ids": reference.tokenize(text, True)} for text in prompts]
    return {"plain": plain, "special": special}


def render(template, messages):
    """Renders as transformers does: sandboxed, with blocks trimmed."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    return environment.from_string(template).render(messages=messages, add_generation_prompt=True)


def record_chats(reference):
    """Official rendering, and its ids with the contents tokenised as plain text."""
    template = reference.llama.metadata["tokenizer.chat_template"]
    records = []
    for messages in texts.CHATS:
        text = render(template, messages)
        shielded = [dict(m, content=m["content"].replace("<|", SHIELD)) for m in messages]
        ids = []
        for piece in re.split(r"(<\|im_start\|>|<\|im_end\|>)", render(template, shielded)):
            control = piece.startswith("<|im_")
            ids += reference.tokenize(piece.replace(SHIELD, "<|"), control) if piece else []
        if not any("<|" in m["content"] for m in messages):
            assert ids == reference.tokenize(text, True), text
        records.append({"messages": messages, "text": text, "ids": ids})
    return records


def write(path, header, body):
    """One list entry a line, so that a change can be read in a diff."""
    lines = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in header.items()]
    for key, value in body.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            entries = ",\n".join("    " + json.dumps(v, ensure_ascii=False, separators=(",", ":")) for v in value)
            lines.append(f"  {json.dumps(key)}: [\n{entries}\n  ]")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, help="folder with the GGUF files")
    parser.add_argument("output", type=pathlib.Path, help="folder for the fixtures")
    parser.add_argument("--only", choices=MODELS, help="record one model")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    for name, file in MODELS.items():
        if arguments.only not in (None, name):
            continue
        path = arguments.models / file
        header = {"file": file, "sha256": sha256(path), "versions": versions()}
        reference = Reference(path, arguments.threads)
        write(arguments.output / f"tokens-{name}.json", header, record_tokens(name, reference))
        write(arguments.output / f"logits-{name}.json", header, record_logits(name, reference))
        if "tokenizer.chat_template" in reference.llama.metadata:
            chats = {"chats": record_chats(reference)}
            short = "qwen2.5" if name.startswith("qwen2.5") else name
            write(arguments.output / f"chat-{short}.json", header, chats)


if __name__ == "__main__":
    main()
