"""Records what bergamot-translator, Firefox's engine, writes with a small random model of its kind.

    pip install bergamot==0.4.5 numpy sentencepiece          # for Python up to 3.10
    python tests/reference/bergamot/record.py

Writes, as Firefox's models lie in their folder: vocab.spm, and model.bin (marian's format: weights in
f32) and model.intgemm.bin (in eight bits, transposed, each with its multiplier behind); and
expected.json: for each text the first eleven tokens, at most, that greedy search, which Firefox uses,
writes with the former. The weights in eight bits are only to be read: with them the engine rounds
activations too, by a scale for each matrix, and writes something else.
"""

import glob
import importlib.util
import json
import math
import pathlib
import struct
import tempfile

import numpy as np
import sentencepiece

HERE = pathlib.Path(__file__).parent
DIM, FFN, HEADS, ENCODER, DECODER, VOCABULARY = 32, 64, 4, 2, 2, 88
ENDING, SEED, TOKENS = 4.0, 10, 11
TEXTS = ["The ferry was late.", "Two hundred passengers", "wind and storm",
         "police", "tickets for the ferry", "weather", "The island", "84", "The captain said", "harbour", "will be",
         "about two hundred", "noon", "Nobody was hurt, police said on Tuesday.", "Two hundred passengers had to wait",
         "storm", "The company will pay for the hotel and the tickets of all 84 passengers.", "By noon on Wednesday",
         "The captain had been warned by the police", "weaker", "ships leave the port again",
         "No ferry, no hotel: 84 passengers wait in the harbour, the weather service said."]
ENGLISH = """The ferry to the island was cancelled on Tuesday because of a storm. About two hundred passengers had
to wait in the harbour until the next morning, the company said. Nobody was hurt. According to the weather
service, the wind will be weaker on Wednesday, and ships should be able to leave the port again by noon. The
company will pay for the hotel and the tickets of all 84 passengers. Police said that the captain had been warned."""
CONFIG = {
    "bert-train-type-embeddings": "true", "dec-cell": "ssru", "dec-depth": DECODER, "dim-emb": DIM,
    "dim-vocabs": f"[{VOCABULARY}, {VOCABULARY}]", "enc-depth": ENCODER, "enc-type": "bidirectional",
    "input-types": "[]", "layer-normalization": "false", "lemma-dim-emb": 0, "max-length": 100,
    "output-omit-bias": "false", "right-left": "false", "skip": "false", "tied-embeddings": "false",
    "tied-embeddings-all": "true", "tied-embeddings-src": "false", "transformer-aan-activation": "swish",
    "transformer-aan-depth": 2, "transformer-aan-nogate": "false", "transformer-decoder-autoreg": "rnn",
    "transformer-dim-aan": 64, "transformer-dim-ffn": FFN, "transformer-ffn-activation": "relu",
    "transformer-ffn-depth": 2, "transformer-guided-alignment-layer": "last", "transformer-heads": HEADS,
    "transformer-no-projection": "false", "transformer-pool": "false", "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d", "transformer-postprocess-top": '""', "transformer-preprocess": '""',
    "transformer-tied-layers": "[]", "transformer-train-position-embeddings": "false",
    "transformer-train-positions": "false", "type": "transformer", "ulr": "false", "version": "v1.9.0",
}


def weights(random):
    """By marian's names (browsermt/marian-dev, src/models/transformer.h, src/rnn/cells.h)."""
    matrix = lambda rows, columns: random.normal(0, 3.75 / math.sqrt(rows), (rows, columns)).astype(np.float32)
    vector = lambda columns: random.normal(0, 0.2, (1, columns)).astype(np.float32)
    items = {"Wemb": random.normal(0, 0.36, (VOCABULARY, DIM)).astype(np.float32)}

    def norm(name):
        items[name + "_ln_scale"] = 1 + vector(DIM)
        items[name + "_ln_bias"] = vector(DIM)

    def attention(name):
        for part in "qkvo":
            items[f"{name}_W{part}"], items[f"{name}_b{part}"] = matrix(DIM, DIM), vector(DIM)
        norm(name + "_Wo")

    def feed_forward(name):
        items[name + "_W1"], items[name + "_b1"] = matrix(DIM, FFN), vector(FFN)
        items[name + "_W2"], items[name + "_b2"] = matrix(FFN, DIM), vector(DIM)
        norm(name + "_ffn")

    for i in range(1, ENCODER + 1):
        attention(f"encoder_l{i}_self")
        feed_forward(f"encoder_l{i}_ffn")
    for i in range(1, DECODER + 1):
        name = f"decoder_l{i}_rnn"
        items[name + "_W"], items[name + "_Wf"], items[name + "_bf"] = matrix(DIM, DIM), matrix(DIM, DIM), vector(DIM)
        norm(name + "_ffn")
        attention(f"decoder_l{i}_context")
        feed_forward(f"decoder_l{i}_ffn")
    items["decoder_ff_logit_out_b"] = vector(VOCABULARY)
    # So that texts end.
    items["decoder_ff_logit_out_b"][0, 0] += ENDING
    return items


def pad(data, to=256):
    return data + b"\0" * (-len(data) % to)


def write(path, items, quantised):
    """marian's binary format (src/common/binary.cpp): headers, names, shapes, and data in steps of 256."""
    yaml = "".join(f"{key}: {value}\n" for key, value in CONFIG.items()).encode() + b"\0"
    entries = []
    for name, value in items.items():
        if quantised and (name.split("_")[-1].startswith("W") or name == "Wemb"):
            multiplier = np.float32(127 / np.abs(value).max())
            codes = np.clip(np.rint(value * multiplier), -127, 127).astype(np.int8)
            # Only what is multiplied is transposed; its shape is that of before.
            codes = codes if name == "Wemb" else codes.T
            data = codes.tobytes() + multiplier.tobytes()
            entries.append((name, 0x4101, value.shape, data))
        else:
            entries.append((name, 0x0404, value.shape, value.tobytes()))
    entries.append(("special:model.yml", 0x0101, (len(yaml),), yaml))
    entries = [(name, kind, shape, pad(data)) for name, kind, shape, data in entries]
    out = struct.pack("<QQ", 1, len(entries))
    for name, kind, shape, data in entries:
        out += struct.pack("<QQQQ", len(name) + 1, kind, len(shape), len(data))
    out += b"".join(name.encode() + b"\0" for name, *_ in entries)
    out += b"".join(struct.pack(f"<{len(shape)}i", *shape) for _, _, shape, _ in entries)
    offset = -(len(out) + 8) % 256
    out += struct.pack("<Q", offset) + b"\0" * offset
    path.write_bytes(out + b"".join(data for *_, data in entries))


def engine():
    """The compiled part alone: the package asks its publisher's server for models when it is imported."""
    package = importlib.util.find_spec("bergamot").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("_bergamot", glob.glob(package + "/_bergamot*.so")[0])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    with tempfile.NamedTemporaryFile("w") as text:
        text.write(ENGLISH.replace("\n", " ").replace(". ", ".\n"))
        text.flush()
        sentencepiece.SentencePieceTrainer.train(
            input=text.name, model_prefix=str(HERE / "vocab"), vocab_size=VOCABULARY, bos_id=-1, eos_id=0,
            unk_id=1, model_type="unigram", normalization_rule_name="identity", minloglevel=2)
    (HERE / "vocab.vocab").unlink()
    (HERE / "vocab.model").rename(HERE / "vocab.spm")
    items = weights(np.random.default_rng(SEED))
    write(HERE / "model.bin", items, False)
    write(HERE / "model.intgemm.bin", items, True)
    bergamot = engine()
    service = bergamot.Service(bergamot.ServiceConfig(1, 0, "off"))
    config = (f"models: [{HERE / 'model.bin'}]\nvocabs: [{HERE / 'vocab.spm'}, {HERE / 'vocab.spm'}]\n"
              "beam-size: 1\nnormalize: 1.0\nword-penalty: 0\nmax-length-break: 128\nmini-batch-words: 1024\n"
              "workspace: 64\nmax-length-factor: 3.0\nskip-cost: true\ncpu-threads: 0\nquiet: true\n"
              "quiet-translation: true\ngemm-precision: float32\n")
    translator = service.modelFromConfig(config)
    answers = service.translate(translator, bergamot.VectorString(TEXTS), bergamot.ResponseOptions())
    outputs = []
    for answer in answers:
        # The last word is the end.
        tokens = min(answer.target.numWords(0) - 1, TOKENS)
        end = answer.target.wordAsByteRange(0, tokens - 1).end if tokens else 0
        outputs.append({"text": answer.target.text.encode()[:end].decode(), "tokens": tokens})
    print(outputs)
    expected = {"bergamot": bergamot.__version__, "texts": TEXTS, "outputs": outputs}
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
