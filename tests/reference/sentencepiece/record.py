"""Records how SentencePiece cuts texts, with a small model as OPUS-MT's are: unigram, nmt_nfkc.

    pip install sentencepiece
    python tests/reference/sentencepiece/record.py

Trains source.spm on samples/, writes vocab.json as a Marian model has it (pieces of the target, which
the source may know or not), and expected.json: the ids of TOKENIZER_TEXTS in ../texts.py, as transformers'
MarianTokenizer gives them: pieces that the vocabulary doesn't have, and text that the model doesn't
know, are <unk>, unless the vocabulary has that text as a piece.
"""

import json
import pathlib
import sys

import sentencepiece

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
from texts import TOKENIZER_TEXTS as TEXTS  # noqa: E402


def main():
    sentencepiece.SentencePieceTrainer.train(
        input=[str(path) for path in sorted((ROOT / "samples").glob("*.txt"))],
        model_prefix=str(HERE / "source"),
        vocab_size=600,
        character_coverage=0.98,
        normalization_rule_name="nmt_nfkc",
    )
    (HERE / "source.model").rename(HERE / "source.spm")
    (HERE / "source.vocab").unlink()
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
