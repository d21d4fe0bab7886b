"""Records what transformers computes with a model, for `brief models check MODEL --reference FILE`.

    pip install torch "transformers>=5.23"
    python tests/reference/record_any.py FOLDER_OR_HUB_NAME > FILE

In float32: the logits behind each of a few texts, and 16 tokens that follow, the likeliest each time.
"""

import json
import sys

import torch
import transformers

TEXTS = [
    "The ferry to the island was cancelled on Tuesday because of",
    "Die Fähre zur Insel fiel am Dienstag aus. In English: The ferry",
    "碼頭於週二關閉。In English: The",
    "সেতুটি বন্ধ। In English: The",
]


@torch.no_grad()
def main():
    tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
    model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
    record = {"prompts": [], "logits": [], "greedy": []}
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt").input_ids
        logits = model(ids).logits[0, -1]
        out = model.generate(ids, max_new_tokens=16, do_sample=False, eos_token_id=-1)
        record["prompts"].append(ids[0].tolist())
        record["logits"].append([round(x, 4) for x in logits.tolist()])
        record["greedy"].append(out[0, ids.shape[1] :].tolist())
    json.dump(record, sys.stdout)


if __name__ == "__main__":
    main()
