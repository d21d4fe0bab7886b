"""Records how SentencePiece cuts texts, with small models as OPUS-MT's and M2M100's are.

    pip install sentencepiece transformers
    python tests/reference/sentencepiece/record.py [opus-mt | m2m100 | firefox SHARED_FOLDER]...

OPUS-MT (unigram, nmt_nfkc): trains source.spm on samples/, writes vocab.json as a Marian model has it (pieces of the target, which
the source may know or not), and expected.json: the ids of TOKENIZER_TEXTS in ../texts.py, as transformers'
MarianTokenizer gives them: pieces that the vocabulary doesn't have, and text that the model doesn't
know, are <unk>, unless the vocabulary has that text as a piece.

M2M100 (merges): the same in m2m100/, with the hub's names of the files, and the ids that transformers'
M2M100Tokenizer gives a source in German, its language and end included.

Firefox (both, with pieces for single bytes and such as users define): in firefox/ unigram.spm and
merges.spm, as mozilla/translations' pipeline/train/spm-vocab.sh trains vocabularies but for their size and
a map of characters of our own, which touches what users define; and expected.json: the ids that
SentencePiece gives texts. Of the lines of flores-dev and the seeds only digests, as ../lines.py makes them.
"""

import json
import pathlib
import sys
import tempfile

import sentencepiece
import transformers

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
from lines import digests, paths  # noqa: E402
from texts import TOKENIZER_TEXTS as TEXTS  # noqa: E402


DEFINED = [f"__{name}__" for name in ["source", "target", "done", "start", "end", "sep", "misc0", "misc1"]]
# From what to what; the last two in texts, never in what a user defined.
MAP = {"１": "1", "８": "8", "…": "...", "\u00a0": " ", "ß": "ss", "_": "-", "._": "!"}
WITH_DEFINED = ["__source__ the bridge __target__ die Brücke", "a__sep__b__sep__ c", " __sep__ ", "__source____end__",
                "._source__", ".__source__ x", "__misc1__0", "__misc12__", "_sep_ __sep", "A😀😀B", "鐵路𠮷路", "１８8… ß",
                "a __done__\u00a0 b  __done__", "x__start____x__start__"]


def train(kind, path, size=600, **more):
    sentencepiece.SentencePieceTrainer.train(
        input=[str(path) for path in sorted((ROOT / "samples").glob("*.txt"))],
        model_prefix=str(HERE / "trained"),
        model_type=kind,
        vocab_size=size,
        **({"character_coverage": 0.98, "normalization_rule_name": "nmt_nfkc"} | more),
    )
    (HERE / "trained.model").rename(path)
    (HERE / "trained.vocab").unlink()


def m2m100():
    folder = HERE / "m2m100"
    folder.mkdir(exist_ok=True)
    path = folder / "sentencepiece.bpe.model"
    train("bpe", path)
    model = sentencepiece.SentencePieceProcessor(str(path))
    own = [model.id_to_piece(i) for i in range(3, model.get_piece_size())]
    # As fairseq orders them; without a tenth of the longer ones.
    pieces = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces += [piece for i, piece in enumerate(own) if len(piece) == 1 or i % 10]
    (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}, ensure_ascii=False) + "\n")
    tokenizer = transformers.M2M100Tokenizer(str(folder / "vocab.json"), str(path), src_lang="de")

    def source(text):
        # Without its search for control tokens in the text.
        ids = tokenizer.convert_tokens_to_ids(tokenizer._tokenize(text))
        return [*tokenizer.prefix_tokens, *ids, *tokenizer.suffix_tokens]

    record = {
        "version": transformers.__version__,
        "texts": TEXTS,
        "ids": [source(text) for text in TEXTS],
        "en": tokenizer.get_lang_id("en"),
    }
    (folder / "expected.json").write_text(json.dumps(record, ensure_ascii=False) + "\n")


def of_lines(model, shared):
    files = []
    for path in paths(shared):
        ids = [model.encode(line) for line in path.read_text().split("\n")]
        files.append({"path": str(path.relative_to(shared)), "digests": digests(ids)})
    return files


def firefox(shared):
    folder = HERE / "firefox"
    folder.mkdir(exist_ok=True)
    record = {"version": sentencepiece.__version__, "texts": [*TEXTS, *WITH_DEFINED]}
    points = lambda text: " ".join(f"{ord(c):X}" for c in text)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write("".join(f"{points(a)}\t{points(b)}\n" for a, b in MAP.items()))
        rules.flush()
        for name, kind in [("unigram", "unigram"), ("merges", "bpe")]:
            path = folder / f"{name}.spm"
            train(kind, path, 880, bos_id=-1, eos_id=0, unk_id=1, user_defined_symbols=DEFINED, byte_fallback=True,
                  split_digits=True, normalization_rule_name="", normalization_rule_tsv=rules.name)
            model = sentencepiece.SentencePieceProcessor(str(path))
            ids = [model.encode(text) for text in record["texts"]]
            record[name] = {"ids": ids, "files": of_lines(model, shared)}
    (folder / "expected.json").write_text(json.dumps(record, ensure_ascii=False) + "\n")


def opus_mt():
    train("unigram", HERE / "source.spm")
    model = sentencepiece.SentencePieceProcessor(str(HERE / "source.spm"))
    own = [model.id_to_piece(i) for i in range(3, model.get_piece_size())]
    # Without a tenth of the source's longer ones, and with some that it doesn't know.
    pieces = ["</s>", "<unk>", *(piece for i, piece in enumerate(own) if len(piece) == 1 or i % 10)]
    pieces += [piece for piece in ["ß", "Q", "€", "▁The", "鐵"] if piece not in pieces] + ["<pad>"]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    ids = [[vocab.get(p, vocab["<unk>"]) for p in model.encode(text, out_type=str)] for text in TEXTS]
    (HERE / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False) + "\n")
    record = {"version": sentencepiece.__version__, "texts": TEXTS, "ids": ids}
    (HERE / "expected.json").write_text(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    wanted = sys.argv[1:]
    if not wanted or "opus-mt" in wanted:
        opus_mt()
    if not wanted or "m2m100" in wanted:
        m2m100()
    if "firefox" in wanted:
        firefox(pathlib.Path(wanted[wanted.index("firefox") + 1]))
