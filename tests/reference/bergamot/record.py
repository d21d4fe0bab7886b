"""Records what bergamot-translator, Firefox's engine, writes with a small random model of its kind.

    pip install bergamot==0.4.5 numpy sentencepiece          # for Python up to 3.10
    python tests/reference/bergamot/record.py

Writes, as Firefox's models lie in their folder: vocab.spm, and model.bin (marian's format: weights in
f32) and model.intgemm.bin (in eight bits, transposed, each with its multiplier behind); and
expected.json: for each text the first eleven tokens, at most, that greedy search, which Firefox uses,
writes with the former. The weights in eight bits are only to be read: with them the engine rounds
activations too, by a scale for each matrix, and writes something else.

In two/ the same with a vocabulary for each side, as Firefox has it for Chinese: srcvocab.spm with pieces
for single bytes and two that a user defined, trgvocab.spm, model.bin and expected.json.
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
ENDING, SEED, SEED_OF_TWO, SOURCE, TOKENS = 4.0, 10, 45, 341, 11
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


CHINESE = """因暴风雨，周二前往该岛的渡轮停航。公司说，约二百名乘客只好在港口等到第二天早晨。没有人受伤。据气象部门称，周三风力将减弱，
船只中午前应能再次离港。公司将为全部84名乘客支付旅馆和船票费用。警方说，船长事先已得到警告。"""
SOURCES = ["渡轮停航。", "二百名乘客", "暴风雨", "警方", "船票", "气象部门说", "该岛", "84", "船长说", "港口", "鐵路", "约二百名乘客",
           "中午", "警方说，周二没有人受伤。", "乘客等到第二天早晨", "风力将减弱", "公司将支付旅馆费用。", "周三中午前", "__source__ 船长",
           "船只离港", "ferry 84", "没有渡轮，没有旅馆：84名乘客在港口等。"]


def weights(random, sources=0):
    """With a table of its own for as many pieces of sources as there are, if there are any. By marian's names (browsermt/marian-dev, src/models/transformer.h, src/rnn/cells.h)."""
    matrix = lambda rows, columns: random.normal(0, 3.75 / math.sqrt(rows), (rows, columns)).astype(np.float32)
    vector = lambda columns: random.normal(0, 0.2, (1, columns)).astype(np.float32)
    table = lambda rows: random.normal(0, 0.36, (rows, DIM)).astype(np.float32)
    items = {"encoder_Wemb": table(sources), "decoder_Wemb": table(VOCABULARY)} if sources else {"Wemb": table(VOCABULARY)}

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


def write(path, items, quantised, **more):
    """marian's binary format (src/common/binary.cpp): headers, names, shapes, and data in steps of 256."""
    yaml = "".join(f"{key}: {value}\n" for key, value in (CONFIG | more).items()).encode() + b"\0"
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


def train(path, text, size, **more):
    with tempfile.NamedTemporaryFile("w") as lines:
        lines.write(text)
        lines.flush()
        sentencepiece.SentencePieceTrainer.train(
            input=lines.name, model_prefix=str(path), vocab_size=size, bos_id=-1, eos_id=0, unk_id=1,
            model_type="unigram", normalization_rule_name="identity", minloglevel=2, **more)
    path.with_suffix(".vocab").unlink()
    path.with_suffix(".model").rename(path.with_suffix(".spm"))


def record(folder, vocabularies, texts):
    bergamot = engine()
    service = bergamot.Service(bergamot.ServiceConfig(1, 0, "off"))
    config = (f"models: [{folder / 'model.bin'}]\nvocabs: [{', '.join(str(folder / v) for v in vocabularies)}]\n"
              "beam-size: 1\nnormalize: 1.0\nword-penalty: 0\nmax-length-break: 128\nmini-batch-words: 1024\n"
              "workspace: 64\nmax-length-factor: 3.0\nskip-cost: true\ncpu-threads: 0\nquiet: true\n"
              "quiet-translation: true\ngemm-precision: float32\n")
    translator = service.modelFromConfig(config)
    answers = service.translate(translator, bergamot.VectorString(texts), bergamot.ResponseOptions())
    outputs = []
    for answer in answers:
        # The last word is the end.
        tokens = min(answer.target.numWords(0) - 1, TOKENS)
        end = answer.target.wordAsByteRange(0, tokens - 1).end if tokens else 0
        outputs.append({"text": answer.target.text.encode()[:end].decode(), "tokens": tokens})
    print(outputs)
    expected = {"bergamot": bergamot.__version__, "texts": texts, "outputs": outputs}
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


def main():
    english = ENGLISH.replace("\n", " ").replace(". ", ".\n")
    train(HERE / "vocab", english, VOCABULARY)
    items = weights(np.random.default_rng(SEED))
    write(HERE / "model.bin", items, False)
    write(HERE / "model.intgemm.bin", items, True)
    record(HERE, ["vocab.spm", "vocab.spm"], TEXTS)

    two = HERE / "two"
    two.mkdir(exist_ok=True)
    chinese = CHINESE.replace("\n", "").replace("。", "。\n")
    train(two / "srcvocab", chinese, SOURCE, byte_fallback=True, split_digits=True,
          user_defined_symbols=["__source__", "__sep__"], character_coverage=0.98)
    train(two / "trgvocab", english, VOCABULARY)
    separate = {"tied-embeddings-all": "false", "tied-embeddings": "true", "dim-vocabs": f"[{SOURCE}, {VOCABULARY}]"}
    write(two / "model.bin", weights(np.random.default_rng(SEED_OF_TWO), SOURCE), False, **separate)
    record(two, ["srcvocab.spm", "trgvocab.spm"], SOURCES)


if __name__ == "__main__":
    main()
