"""Measures brief beside CTranslate2 and candle-transformers with encoder-decoders of OPUS-MT's and of
T5 1.1 base's size: same weights, same run.

    pip install ctranslate2 transformers torch sentencepiece
    cargo build --release
    python benches/translators.py [--rounds 3] [--threads N]

The weights are random, the shapes are those of Helsinki-NLP/opus-mt-de-en and google/t5-v1_1-base; brief
and CTranslate2 keep them in eight bits, candle-transformers, which has no other Marian, in 32. A batch of
sources of 32 tokens is encoded, then each writes 64 tokens, greedily; every other source is as
long. Of CTranslate2 the time of a token is that of 64 less that of one, so that neither side's
reading is in it. candle-transformers writes up to 8 texts at once. The programs take turns,
and of each figure the best round counts.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import ctranslate2
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[1]
PIECES = ROOT / "tests/reference/sentencepiece/source.spm"
BATCHES, SOURCE, STEPS = [1, 8, 32, 64], 32, 64
VOCABULARY = 58_101


def make_t5(folder):
    """The same of T5's kind."""
    torch.manual_seed(1)
    hub = folder / "hub"
    size = 32_128
    config = transformers.T5Config(
        vocab_size=size, d_model=768, d_kv=64, d_ff=2048, num_layers=12, num_decoder_layers=12, num_heads=12,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0,
    )
    transformers.T5ForConditionalGeneration(config).save_pretrained(hub)
    pieces = ["<pad>", "</s>", "<unk>", *(f"▁w{i}" for i in range(size - 3))]
    special = [{"id": i, "content": p, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False} for i, p in enumerate(pieces[:3])]
    spaces = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    model = {"type": "Unigram", "unk_id": 2, "vocab": [[p, -9.0] for p in pieces], "byte_fallback": False}
    (hub / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": spaces, "post_processor": None, "decoder": spaces, "model": model}))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "<pad>",
                "unk_token": "<unk>"}
    (hub / "tokenizer_config.json").write_text(json.dumps(settings))
    other = folder / "ctranslate2"
    ctranslate2.converters.TransformersConverter(str(hub)).convert(str(other), quantization="int8")
    # Where the pieces of text begin.
    return hub, other, pieces[1:]


def make(folder):
    """A random model as the hub lays it out; returns CTranslate2's folder of it, and the pieces: what ends a
    source, another, and text."""
    torch.manual_seed(1)
    hub = folder / "hub"
    end, pad = 0, VOCABULARY - 1
    config = transformers.MarianConfig(
        vocab_size=VOCABULARY, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, activation_function="swish",
        scale_embedding=True, static_position_embeddings=True, max_position_embeddings=512,
        eos_token_id=end, pad_token_id=pad, decoder_start_token_id=pad, forced_eos_token_id=end,
        bad_words_ids=[[pad]],
    )
    transformers.MarianMTModel(config).save_pretrained(hub)
    pieces = ["</s>", "<unk>", *(f"▁w{i}" for i in range(VOCABULARY - 3)), "<pad>"]
    (hub / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    for name in ["source.spm", "target.spm"]:
        shutil.copy(PIECES, hub / name)
    settings = {"source_lang": "de", "target_lang": "en", "tokenizer_class": "MarianTokenizer"}
    (hub / "tokenizer_config.json").write_text(json.dumps(settings))
    other = folder / "ctranslate2"
    ctranslate2.converters.TransformersConverter(str(hub)).convert(str(other), quantization="int8")
    return hub, other, pieces


def candle(hub):
    command = ["cargo", "bench", "--bench", "translators"]
    environment = os.environ | {"MODEL": str(hub), "BATCHES": ",".join(str(n) for n in BATCHES if n <= 8)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])


def brief(hub, threads):
    command = [ROOT / "target/release/brief", "bench", "--model", hub, "--json", "--threads", threads]
    command += ["--prefill", SOURCE, "--context", SOURCE, "--tokens", STEPS - 1]
    command += ["--batch", ",".join(map(str, BATCHES))]
    done = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    decode = {at["sequences"]: at["rate"] for at in report["decode"]}
    return {"encode 1": report["prefill"][0]["rate"], **{f"decode {n}": decode[n] for n in BATCHES}}


def peer(folder, pieces, threads):
    translator = ctranslate2.Translator(str(folder), intra_threads=threads, inter_threads=1)
    rates = {}
    for count in BATCHES:
        source = [[pieces[2 + (31 * i + j) % 30_000] for j in range(SOURCE - 1)] + ["</s>"] for i in range(count)]

        def seconds(tokens):
            best = float("inf")
            for _ in range(3):
                began = time.perf_counter()
                translator.translate_batch(
                    source, beam_size=1, min_decoding_length=tokens, max_decoding_length=tokens,
                    max_batch_size=count,
                )
                best = min(best, time.perf_counter() - began)
            return best

        one, many = seconds(1), seconds(STEPS)
        rates[f"decode {count}"] = count * (STEPS - 1) / (many - one)
        if count == 1:
            # One token is in it too.
            rates["encode 1"] = SOURCE / (one - (many - one) / (STEPS - 1))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    for kind, made in [("OPUS-MT", make), ("T5 1.1 base", make_t5)]:
        with tempfile.TemporaryDirectory() as folder:
            hub, other, pieces = made(pathlib.Path(folder))
            best = {}
            for _ in range(args.rounds):
                for name, rates in [
                    ("brief", brief(hub, args.threads)),
                    ("CTranslate2", peer(other, pieces, args.threads)),
                    ("candle", candle(hub)),
                ]:
                    for what, rate in rates.items():
                        best[what, name] = max(rate, best.get((what, name), 0))
        print(f"| {kind}, tokens/s | brief | CTranslate2 {ctranslate2.__version__} | times | candle-transformers | times |")
        print("|---|---|---|---|---|---|")
        for what in ["encode 1", *(f"decode {n}" for n in BATCHES)]:
            ours = best[what, "brief"]
            cells = []
            for name in ["CTranslate2", "candle"]:
                theirs = best.get((what, name))
                cells += ["", ""] if theirs is None else [f"{theirs:.0f}", f"{ours / theirs:.1f}"]
            print(f"| {what} | {ours:.0f} | {' | '.join(cells)} |")
        print(flush=True)


if __name__ == "__main__":
    main()
