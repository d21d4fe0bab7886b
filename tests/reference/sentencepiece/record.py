"""Records how SentencePiece cuts texts, with small models as OPUS-MT's and M2M100's are.

    pip install sentencepiece transformers
    python tests/reference/sentencepiece/record.py

OPUS-MT (unigram, nmt_nfkc): trains source.spm on samples/, writes vocab.json as a Marian model has it (pieces of the target, which
the source may know or not), and expected.json: the ids of TOKENIZER_TEXTS in ../texts.py, as transformers'
MarianTokenizer gives them: pieces that the vocabulary doesn't have, and text that the model doesn't
know, are <unk>, unless the vocabulary has that text as a piece.

M2M100 (merges): the same in m2m100/, with the hub's names of the files, and the ids that transformers'
M2M100Tokenizer gives a source in German, its language and end included.
"""

import json
import pathlib
import sys

import sentencepiece
import transformers

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
from texts import TOKENIZER_TEXTS as TEXTS  # noqa: E402


def train(kind, path):
    sentencepiece.SentencePieceTrainer.train(
        input=[str(path) for path in sorted((ROOT / "samples").glob("*.txt"))],
        model_prefix=str(HERE / "trained"),
        model_type=kind,
        vocab_size=600,
        character_coverage=0.98,
        normalization_rule_name="nmt_nfkc",
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


def main():
    m2m100()
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
    main()
