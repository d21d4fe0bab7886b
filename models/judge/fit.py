"""Fits a judge of claims: the linear probe on a model's residual stream, and what the rules'
findings weigh beside it.

    pip install torch transformers gguf scikit-learn safetensors
    BRIEF_CLAIMS_OUT=signs.jsonl cargo test --test claims every_sign
    python models/judge/fit.py GGUF signs.jsonl

Reads tests/claims/*.{dev,held,final}.json (never *.fresh.json: that is only counted) and
models/judge/claims.jsonl. Reading the 2,490 claims takes half an hour on two cores; they are kept
in states.npz. Writes models/judge/qwen2.5-coder-1.5b-instruct.safetensors and prints the weights
for src/trace/signs.rs. Nothing is drawn by chance.
"""

import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

ROOT = pathlib.Path(__file__).parents[2]
LAYERS = 18
# Share of true claims that may be refused.
REFUSED = 0.05


def claims():
    """Every claim: id, evidence in English, claim, kind of fault (or "true"), and whether it is
    about whole articles' sentences in three languages rather than about one English passage."""
    for part in ["dev", "held", "final"]:
        for language in ["de", "zh", "bn"]:
            for item in json.load(open(ROOT / f"tests/claims/{language}.{part}.json")):
                evidence = " ".join(pair["target"] for pair in item["evidence"])
                kind = "true" if item["label"] == "true" else item["kind"]
                yield item["id"], evidence, item["claim"], kind, True
    for n, line in enumerate(open(ROOT / "models/judge/claims.jsonl")):
        item = json.loads(line)
        all_of_it = [("true", claim) for claim in item["true"]] + item["false"]
        for m, (kind, claim) in enumerate(all_of_it):
            yield f"judge-{n}-{m}", item["evidence"], claim, kind, False


def states(gguf, items):
    """The residual stream behind LAYERS layers at each prompt's last token: [claims, hidden]."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = pathlib.Path(gguf).resolve()
    names = {"gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **names)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.bfloat16, **names).model
    # The stream behind the last layer comes normed: one more layer than is read.
    model.layers = model.layers[: LAYERS + 1]
    model.config.num_hidden_layers = LAYERS + 1
    template = (ROOT / "prompts/entail.chatml.jinja").read_text()
    template = template.replace("{{ boundary -}}\n", "").replace("{{ boundary }}", "").replace('{{ "\\n" }}\n', "\n")
    prompts = [
        template.replace("{{ evidence }}", evidence).replace("{{ claim }}", claim)
        for _, evidence, claim, _, _ in items
    ]
    ids = [tokenizer(prompt).input_ids for prompt in prompts]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    found = np.zeros((len(ids), model.config.hidden_size), np.float32)
    with torch.inference_mode():
        for at in range(0, len(order), 8):
            batch = order[at : at + 8]
            longest = max(len(ids[i]) for i in batch)
            padded = torch.full((len(batch), longest), tokenizer.eos_token_id)
            mask = torch.zeros((len(batch), longest), dtype=torch.long)
            for row, i in enumerate(batch):
                padded[row, longest - len(ids[i]) :] = torch.tensor(ids[i])
                mask[row, longest - len(ids[i]) :] = 1
            out = model(
                padded,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                output_hidden_states=True,
                use_cache=False,
            )
            for row, i in enumerate(batch):
                found[i] = out.hidden_states[LAYERS][row, -1].float().numpy()
            print(f"\r{at + len(batch)} of {len(order)} claims read", end="", file=sys.stderr)
    return found


FINDINGS = [
    ("SMALL", "numbers", lambda d: "is not in what it cites" in d),
    ("MOVED_NUMBER", "numbers", lambda d: "said of something else" in d),
    ("DISPLACED_NUMBER", "numbers", lambda d: "is perhaps said of" in d),
    ("MOVED_TIME", "dates", lambda d: "said of something else" in d),
    ("DISPLACED_TIME", "dates", lambda d: "is perhaps said of" in d),
    ("UNKNOWN_NAME", "names", lambda d: "is not in what it cites" in d),
    ("MOVED_NAME", "names", lambda d: "said of something else" in d),
    ("AFFIRMED", "negation", lambda d: "is affirmed" in d),
    ("OPPOSITE", "negation", lambda d: "is affirmed" not in d),
    ("HEDGE", "hedging", lambda d: True),
    ("ROLE", "roles", lambda d: True),
    ("SPEAKER", "attribution", lambda d: True),
    ("CAUSE", "causes", lambda d: True),
    ("MEASURED", "words", lambda d: True),
]


def main():
    items = list(claims())
    kept = pathlib.Path("states.npz")
    if not kept.exists():
        np.savez(kept, states=states(sys.argv[1], items))
    x = np.load(kept)["states"]
    signs = {}
    for line in open(sys.argv[2]):
        record = json.loads(line)
        signs[record["id"]] = {sign["kind"]: sign for sign in record["signs"]}
    kinds = np.array([item[3] for item in items])
    y = (kinds == "true").astype(int)
    own = np.array([item[4] for item in items])
    group = np.unique([item[1] for item in items], return_inverse=True)[1]

    def bad(sign):
        return sign["verdict"] == "unsupported"

    # What nothing outweighs. The passages have no original to be compared with.
    certain = np.array(
        [
            any(
                bad(sign) and "against" not in sign and (is_own or kind != "original")
                for kind, sign in signs[name].items()
            )
            for (name, _, _, _, is_own) in items
        ]
    )
    found = np.array(
        [
            [
                float(bad(signs[item[0]][kind]) and is_it(signs[item[0]][kind]["detail"]))
                for _, kind, is_it in FINDINGS
            ]
            for item in items
        ]
    )

    def probe(rows):
        scaler = StandardScaler().fit(x[rows])
        model = LogisticRegression(C=0.003, max_iter=3000, class_weight="balanced")
        model.fit(scaler.transform(x[rows]), y[rows], sample_weight=np.where(own, 2.0, 1.0)[rows])
        weight = model.coef_[0] / scaler.scale_
        return weight, model.intercept_[0] - (weight * scaler.mean_).sum()

    # Each claim judged by a probe that has seen nothing of its evidence.
    judged = np.zeros(len(items))
    for seen, unseen in GroupKFold(8).split(x, y, group):
        weight, bias = probe(seen)
        judged[unseen] = x[unseen] @ weight + bias
    rows = own & ~certain
    both = LogisticRegression(C=0.5, max_iter=3000, class_weight="balanced")
    both.fit(np.column_stack([judged, found])[rows], y[rows])
    scale, against = both.coef_[0][0], np.maximum(0.1, -both.coef_[0][1:]).round(2)
    odds = scale * judged + both.intercept_[0] - found @ against
    odds[certain] = -np.inf
    level = np.quantile(odds[own & (y == 1)], REFUSED)
    odds -= level

    weight, bias = probe(np.arange(len(items)))
    weight, bias = scale * weight, scale * bias + both.intercept_[0] - level
    path = ROOT / "models/judge/qwen2.5-coder-1.5b-instruct.safetensors"
    save_file(
        {"weight": weight.astype(np.float32), "bias": np.array([bias], np.float32)}, path
    )
    for (name, _, _), value in zip(FINDINGS, against):
        print(f"const {name}: f32 = {value};")
    for name, part in [("three languages", own), ("passages", ~own)]:
        row = {
            kind: f"{(odds[part & (kinds == kind)] < 0).mean():.2f}" for kind in sorted(set(kinds.tolist()))
        }
        print(f"refused, {name}: {row}")


main()
