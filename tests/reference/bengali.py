#!/usr/bin/env python3
"""Records the prompts that the Bengali adapter learns from, token by token: bengali.json.

    pip install torch "transformers>=5.23" gguf safetensors
    python tests/reference/bengali.py GGUF     # gemma-3-270m-q4_k_m.gguf
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parents[1] / "models/bengali"))

from train import Tokens

TEXTS = [
    "সোমবার ঢাকায় বৃষ্টি হয়েছে।",
    # য় as one code point, a bar for a danda, joiners, two spaces, a line break.
    "র\u200d্যাব জানা\u09df, ৩ জন\u200cকে আটক করা হ\u09df  |\nতাদের নাম বলা হ\u09dfনি |",
    "পুতিন ও শি জিনপিং বেইজিংয়ে ইউক্রেন নিয়ে কথা বলেন; মস্কো, পিয়ংইয়ং ও কিয়েভ কিছু বলেনি।",
    "কিয়েভের উপকণ্ঠে ড্রোন হামলায় ১২ জন আহত, বলছে রয়টার্স (৯:৩০)",
    "সাংহাই সহযোগিতা সংস্থার বৈঠকে কিম জং উনের সঙ্গে হোয়াইট হাউসের দূত আন্দ্রেই রেভনিভটসেভ।",
    "ওডেসায় ফিনল্যান্ডের নাসের দাউদকে স্বাগত জানান কলকাতার সত্যজিৎ ও টরন্টোর এলিজাবেথেরা।",
    "ইতিহাসবিদ বলেছেন দৃ strong ় আগ্রহ দেখাচ্ছে রাশিয়ার | না",
]


def main():
    tokens = Tokens(pathlib.Path(sys.argv[1]).resolve())
    # In use, every name is told that is known.
    listed = dict(tokens.listed)
    for line in open(HERE.parents[1] / "prompts/names.bengali.tsv"):
        english, spellings = line.rstrip("\n").split("\t")
        listed |= dict.fromkeys(spellings.split("|"), english.split("|")[0])
    recorded = [{"text": text, "ids": tokens.prompt(text, listed)} for text in TEXTS]
    (HERE / "bengali.json").write_text(json.dumps(recorded, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
