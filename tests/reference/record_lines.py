#!/usr/bin/env python3
"""Records how llama.cpp tokenises real text: token counts and digests of all ids, not the text.

    python record_lines.py MODELS_FOLDER SHARED_FOLDER OUTPUT_FILE

Every line of flores-dev and of the seeds. Qwen's lines are composed first (NFC), as its authors'
tokenizer does and llama.cpp doesn't. Digests as lines.py makes them.
"""

import argparse
import json
import pathlib
import unicodedata

import llama_cpp

from lines import digests, paths
from record import MODELS, sha256, versions


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("shared", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    arguments = parser.parse_args()
    models = []
    for name, file in MODELS.items():
        model = next(arguments.models.glob(f"*/{file}"))
        llama = llama_cpp.Llama(str(model), vocab_only=True, verbose=False)
        files = []
        for path in paths(arguments.shared):
            lines = path.read_text().split("\n")
            if name.startswith("qwen"):
                lines = [unicodedata.normalize("NFC", line) for line in lines]
            ids = [llama.tokenize(line.encode(), add_bos=False, special=False) for line in lines]
            files.append(
                {
                    "path": str(path.relative_to(arguments.shared)),
                    "lines": len(lines),
                    "tokens": sum(map(len, ids)),
                    "digests": digests(ids),
                }
            )
        models.append({"model": name, "file": file, "sha256": sha256(model), "files": files})
    record = {"versions": versions(), "models": models}
    arguments.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
