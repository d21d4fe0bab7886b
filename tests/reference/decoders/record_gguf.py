"""Some recordings as llama.cpp's converter writes them, with vocabularies of the models' kinds.

    pip install torch "transformers>=5.23" gguf llama-cpp-python==0.3.36
    python tests/reference/decoders/record_gguf.py LLAMA_CPP [NAME...]     # its sources

Writes converted.gguf beside each recording's config.json, and tokens.json: texts, and the ids that the
hub's tokenizer and llama.cpp both give them. What the model computes is the recording's; how far
llama.cpp is from that is printed.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unicodedata

import llama_cpp
import numpy as np
import tokenizers
import transformers
from transformers.convert_slow_tokenizer import bytes_to_unicode

HERE = pathlib.Path(__file__).parent
TEXTS = ["The ferry, the 84 of them", "then  three   blanks     five", "a\nb\n\nc\n\n\n\nd\n \n", "héhé 渡輪",
         "ferries <turn|> and <|turn>", "\n\n\n\n\n", " 1,000.00 ▁", "the▁the", "ফেরির জন্য cafe\u0301"]


def special(pieces):
    return [{"id": id, "content": piece, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True} for id, piece in sorted(pieces.items())]


def gemma4():
    """Bytes from 0x80 on, and ASCII; the ids of ASCII's control characters are those of longer pieces."""
    longer = ["\n", "\n\n", "\n\n\n", "▁▁", "▁▁▁", "▁▁▁▁", "th", "the", "▁the", "▁a", "er", "ry", "ferry",
              "▁ferry", "fer", "00", "en", "▁84", "84"]
    merges = [("\n", "\n"), ("\n\n", "\n"), ("▁", "▁"), ("▁▁", "▁▁"), ("▁▁", "▁"), ("t", "h"), ("th", "e"),
              ("▁", "the"), ("e", "r"), ("r", "y"), ("f", "er"), ("fer", "ry"), ("▁", "ferry"), ("▁", "a"),
              ("0", "0"), ("e", "n"), ("8", "4"), ("▁", "84")]
    controls = {256: "<bos>", 257: "<unk>", 258: "<turn|>", 0x7F: "<|turn>"}
    vocab = {f"<0x{byte:02X}>": byte for byte in range(0x80, 0x100)}
    vocab |= {chr(c): c for c in range(0x21, 0x7F)} | {"▁": 0x20}
    vocab |= {piece: id for id, piece in controls.items()}
    vocab |= {piece: id for id, piece in enumerate(longer)}
    vocab |= {f"<unused{id}>": id for id in range(len(longer), 0x20)}
    settings = {"bos_token": "<bos>", "eos_token": "<turn|>", "unk_token": "<unk>",
                "additional_special_tokens": ["<|turn>", "<turn|>"]}
    return settings, {
        "version": "1.0",
        "added_tokens": special(controls),
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "fuse_unk": True,
                  "byte_fallback": True, "ignore_merges": False, "vocab": vocab,
                  "merges": [list(merge) for merge in merges]},
    }


def qwen35():
    """All bytes; the ids of some that no UTF-8 has are those of longer pieces, across which the
    regular expression cuts or doesn't."""
    spelt = bytes_to_unicode()
    vocab = {spelt[byte]: byte for byte in range(0x100)}
    marks = "".join(spelt[byte] for byte in "\u0301".encode())
    cut = {0xC0: ("e", marks[0]), 0xC1: ("e" + marks[0], marks[1]), 0xF5: ("8", "4"), 0xF6: ("Ġ", "Ġ"),
           0xF7: ("Ċ", "Ċ"), 0xF8: ("t", "h"), 0xF9: ("th", "e"), 0xFA: ("Ġ", "the"), 0xFB: (".", "0")}
    vocab = {piece: id for piece, id in vocab.items() if id not in cut}
    vocab |= {left + right: id for id, (left, right) in cut.items()}
    controls = {256: "<|endoftext|>", 257: "<|im_start|>", 258: "<|im_end|>"}
    settings = {"eos_token": "<|im_end|>", "add_bos_token": False}
    regex = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|"
             r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    return settings, {
        "version": "1.0",
        "added_tokens": special(controls),
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                    "use_regex": False},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False, "vocab": vocab | {
                      piece: id for id, piece in controls.items()},
                  "merges": [list(cut[id]) for id in cut]},
    }


# The converter knows a tokenizer by what it does to a text, which none of these does.
CONVERT = """
import sys
sys.path.insert(0, sys.argv[1])
import conversion.base, convert_hf_to_gguf
conversion.base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen35"
sys.argv = sys.argv[1:]
convert_hf_to_gguf.main()
"""
RECORDINGS = {"gemma4": ("Gemma4ForCausalLM", gemma4), "gemma4-wide": ("Gemma4ForCausalLM", gemma4),
              "qwen35": ("Qwen3_5ForCausalLM", qwen35), "qwen35-shared": ("Qwen3_5ForCausalLM", qwen35)}


def main():
    for name, (architecture, tokenizer) in RECORDINGS.items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        recording = HERE / name
        out = recording / "converted.gguf"
        settings, parts = tokenizer()
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            config = json.loads((recording / "config.json").read_text())
            config["architectures"] = [architecture]
            (folder / "config.json").write_text(json.dumps(config))
            shutil.copy(recording / "model.safetensors", folder)
            (folder / "tokenizer.json").write_text(json.dumps(parts))
            settings["tokenizer_class"] = "PreTrainedTokenizerFast"
            (folder / "tokenizer_config.json").write_text(json.dumps(settings))
            # Layers that draft tokens, which transformers leaves out.
            without = ["--no-mtp"] if name.startswith("qwen35") else []
            subprocess.run([sys.executable, "-c", CONVERT, sys.argv[1], folder, "--outtype", "bf16",
                            "--outfile", out, *without], check=True)
        # Text can't form control tokens in the program.
        plain = tokenizers.Tokenizer.from_str(json.dumps(parts | {"added_tokens": []}))
        llama = llama_cpp.Llama(str(out), n_ctx=64, logits_all=True, verbose=False)
        tokens = []
        for text in TEXTS:
            ids = plain.encode(text, add_special_tokens=False).ids
            # llama.cpp composes nothing.
            composes = parts["normalizer"]["type"] == "NFC"
            composed = unicodedata.normalize("NFC", text) if composes else text
            theirs = llama.tokenize(composed.encode(), add_bos=False, special=False)
            print(name, repr(text), ids == theirs or ("llama.cpp's differ", ids, theirs))
            tokens.append(ids)
        versions = {m.__name__: m.__version__ for m in (llama_cpp, tokenizers, transformers)}
        text = json.dumps({"versions": versions, "texts": TEXTS, "tokens": tokens})
        (recording / "tokens.json").write_text(text + "\n")
        expected = json.loads((recording / "expected.json").read_text())
        for prompt, logits in zip(expected["prompts"], expected["logits"]):
            llama.reset()
            llama._ctx.kv_cache_clear()
            llama.eval(list(prompt.encode()))
            theirs = np.array(llama.scores[llama.n_tokens - 1])
            apart = np.abs(theirs - np.array(logits)).max() / np.abs(logits).max()
            print(name, "llama.cpp is", apart, "from transformers")


if __name__ == "__main__":
    main()
