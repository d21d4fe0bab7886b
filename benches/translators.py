"""Measures brief beside CTranslate2 with an encoder-decoder of OPUS-MT's size: same weights, same run.

    pip install ctranslate2 transformers torch sentencepiece
    cargo build --release
    python benches/translators.py [--rounds 3] [--threads N]

The weights are random, the shape is Helsinki-NLP/opus-mt-de-en's; both keep them in eight bits. A
batch of sources of 32 tokens is encoded, then each writes 64 tokens, greedily; every other source is as
long. Of CTranslate2 the time of a token is that of 64 less that of one, so that neither side's
reading is in it. The programs take turns, and of each figure the best round counts.
"""

import argparse
import json
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


def make(folder):
    """A random model as the hub lays it out; returns CTranslate2's folder of it."""
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
        source = [[pieces[2 + (31 * i + j) % 50_000] for j in range(SOURCE - 1)] + ["</s>"] for i in range(count)]

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
    with tempfile.TemporaryDirectory() as folder:
        hub, other, pieces = make(pathlib.Path(folder))
        best = {}
        for _ in range(args.rounds):
            for name, rates in [("brief", brief(hub, args.threads)), ("CTranslate2", peer(other, pieces, args.threads))]:
                for what, rate in rates.items():
                    best[what, name] = max(rate, best.get((what, name), 0))
    print(f"| tokens/s | brief | CTranslate2 {ctranslate2.__version__} | times |\n|---|---|---|---|")
    for what in ["encode 1", *(f"decode {n}" for n in BATCHES)]:
        ours, theirs = best[what, "brief"], best[what, "CTranslate2"]
        print(f"| {what} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.1f} |")


if __name__ == "__main__":
    main()
