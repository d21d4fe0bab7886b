"""Gemma 4's recordings as llama.cpp's converter writes them, with a vocabulary of Gemma 4's kind.

    pip install torch "transformers>=5.23" gguf llama-cpp-python==0.3.36
    python tests/reference/decoders/record_gguf.py LLAMA_CPP     # its sources; convert_hf_to_gguf.py

Writes converted.gguf beside each recording's config.json, and tokens.json: texts, and the ids that the
hub's tokenizer and llama.cpp both give them. What the model computes is the recording's.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import llama_cpp
import numpy as np
import tokenizers
import transformers

HERE = pathlib.Path(__file__).parent
# Bytes from 0x80 on, and ASCII; the ids of ASCII's control characters are those of longer pieces, each
# of two others before it.
LONGER = ["\n", "\n\n", "\n\n\n", "▁▁", "▁▁▁", "▁▁▁▁", "th", "the", "▁the", "▁a", "er", "ry", "ferry",
          "▁ferry", "fer", "00", "en", "▁84", "84"]
MERGES = [("\n", "\n"), ("\n\n", "\n"), ("▁", "▁"), ("▁▁", "▁▁"), ("▁▁", "▁"), ("t", "h"), ("th", "e"),
          ("▁", "the"), ("e", "r"), ("r", "y"), ("f", "er"), ("fer", "ry"), ("▁", "ferry"), ("▁", "a"),
          ("0", "0"), ("e", "n"), ("8", "4"), ("▁", "84")]
SPECIAL = {256: "<bos>", 257: "<unk>", 258: "<turn|>", 0x7F: "<|turn>"}
TEXTS = ["The ferry, the 84 of them", "then  three   blanks     five", "a\nb\n\nc\n\n\n\nd\n \n", "héhé 渡輪",
         "ferries <turn|> and <|turn>", "\n\n\n\n\n", " 1,000.00 ▁", "the▁the"]


def tokenizer():
    vocab = {f"<0x{byte:02X}>": byte for byte in range(0x80, 0x100)}
    vocab |= {chr(c): c for c in range(0x21, 0x7F)} | {"▁": 0x20}
    vocab |= {piece: id for id, piece in SPECIAL.items()}
    vocab |= {piece: id for id, piece in enumerate(LONGER)}
    vocab |= {f"<unused{id}>": id for id in range(len(LONGER), 0x20)}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": id, "content": piece, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for id, piece in sorted(SPECIAL.items())
        ],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "fuse_unk": True,
                  "byte_fallback": True, "ignore_merges": False, "vocab": vocab,
                  "merges": [list(merge) for merge in MERGES]},
    }


def main():
    for name in ["gemma4", "gemma4-wide"]:
        recording = HERE / name
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            config = json.loads((recording / "config.json").read_text())
            # The decoder alone, as the authors' checkpoints name what is around it.
            config["architectures"] = ["Gemma4ForCausalLM"]
            (folder / "config.json").write_text(json.dumps(config))
            shutil.copy(recording / "model.safetensors", folder)
            (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
            (folder / "tokenizer_config.json").write_text(json.dumps({
                "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>",
                "eos_token": "<turn|>", "unk_token": "<unk>",
                "additional_special_tokens": ["<|turn>", "<turn|>"]}))
            out = recording / "converted.gguf"
            subprocess.run([sys.executable, sys.argv[1] + "/convert_hf_to_gguf.py", folder,
                            "--outtype", "bf16", "--outfile", out], check=True)
            hub = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            # Text can't form control tokens in the program.
            plain = tokenizer() | {"added_tokens": []}
            plain = tokenizers.Tokenizer.from_str(json.dumps(plain))
        llama = llama_cpp.Llama(str(out), n_ctx=64, logits_all=True, verbose=False)
        tokens = []
        for text in TEXTS:
            ids = plain.encode(text, add_special_tokens=False).ids
            theirs = llama.tokenize(text.encode(), add_bos=False, special=False)
            print(text == hub.decode(ids) or "decoded otherwise", ids == theirs or (text, ids, theirs))
            tokens.append(ids)
        text = json.dumps({
            "versions": {m.__name__: m.__version__ for m in (llama_cpp, tokenizers, transformers)},
            "texts": TEXTS, "tokens": tokens})
        (recording / "tokens.json").write_text(text + "\n")
        expected = json.loads((recording / "expected.json").read_text())
        for prompt, logits in zip(expected["prompts"], expected["logits"]):
            llama.reset()
            llama.eval(list(prompt.encode()))
            theirs = np.array(llama.scores[llama.n_tokens - 1])
            apart = np.abs(theirs - np.array(logits)).max() / np.abs(logits).max()
            print(name, "llama.cpp is", apart, "from transformers")


if __name__ == "__main__":
    main()
