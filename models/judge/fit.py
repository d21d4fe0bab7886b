"""Fits a judge of claims: an adapter and a linear probe for a model's lower layers, and what the
rules' findings weigh beside them.

    pip install torch "transformers>=5.23" accelerate gguf scikit-learn safetensors
    BRIEF_CLAIMS_OUT=signs.jsonl cargo test --test claims every_sign
    python models/judge/fit.py GGUF signs.jsonl

Adapter (LoRA, Hu et al. 2021) and probe learn from the first TRAINED passages of
models/judge/claims.jsonl alone; the weights of the rules, and the level, from
tests/claims/*.{dev,held,final,fresh,kept}.json, which the adapter hasn't seen. *.last.json and
*.shut.json are never read here: they are only counted. Two hours on two cores with bf16
instructions, or with --weigh a quarter of an hour: then the adapter stays, and only the weights and
the level are fitted. What is computed on the way is kept in cache.pt, epochN.pt and trained.pt of
the working directory. Writes models/judge/qwen2.5-coder-1.5b-instruct.safetensors, prints the
weights for src/trace/signs.rs and what is refused. Seeds are fixed.
"""

import itertools
import json
import math
import pathlib
import random
import sys
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / "models"))

import lora

SHIPPED = ROOT / "models/judge/qwen2.5-coder-1.5b-instruct.safetensors"
# Passages that are learnt from; those behind them came later.
TRAINED = 1432
# Layers in front of the probe, and those of them that are adapted.
LAYERS, FROM = 18, 10
RANK, SCALE = 16, 2.0
RATE, EPOCHS, BATCH = 4e-4, 2, 4
# Passages that the probe is fitted on before anything is adapted.
FIRST = 280
# Share of true claims that may be refused.
REFUSED = 0.04


def passages():
    """Evidence, claims, and their faults' kinds (or "true")."""
    lines = open(ROOT / "models/judge/claims.jsonl")
    for line in itertools.islice(lines, TRAINED):
        item = json.loads(line)
        labelled = [("true", claim) for claim in item["true"]] + item["false"]
        yield item["evidence"], [claim for _, claim in labelled], [kind for kind, _ in labelled]


def articles():
    """The same of claims about articles; for a kind comes a pair of it and the claim's part
    and id."""
    together = {}
    for part in ["dev", "held", "final", "fresh", "kept"]:
        for language in ["de", "zh", "bn"]:
            for item in json.load(open(ROOT / f"tests/claims/{language}.{part}.json")):
                evidence = " ".join(pair["target"] for pair in item["evidence"])
                kind = "true" if item["label"] == "true" else item["kind"]
                labelled = (item["claim"], (kind, f"{part}/{item['id']}"))
                together.setdefault(evidence, []).append(labelled)
    for evidence, claims in together.items():
        yield evidence, [claim for claim, _ in claims], [kind for _, kind in claims]


class Model:
    def __init__(self, gguf):
        from transformers import AutoTokenizer

        gguf = pathlib.Path(gguf).resolve()
        self.tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        whole = lora.base(gguf)
        self.embedding = whole.model.embed_tokens
        self.rotary = whole.model.rotary_emb
        self.low = whole.model.layers[:FROM]
        self.high = whole.model.layers[FROM:LAYERS]
        self.adapters = lora.adapt(self.high, FROM, RANK, SCALE)
        template = (ROOT / "prompts/entail.chatml.jinja").read_text()
        template = template.replace('{{ "\\n" }}\n', "\n")
        self.before, rest = template.split("{{ evidence }}")
        self.between, self.after = rest.split("{{ claim }}")

    def packed(self, evidence, claims):
        """All claims about one text as one sequence: a claim sees the text and itself."""
        ids = lambda text: self.tokenizer(text, add_special_tokens=False).input_ids
        shared, own = self.between.rsplit("\n", 1)
        tokens = ids(self.before + evidence + shared + "\n")
        start = len(tokens)
        positions, block, last = list(range(start)), [0] * start, []
        for n, claim in enumerate(claims):
            more = ids(own + claim + self.after)
            tokens += more
            positions += range(start, start + len(more))
            block += [n + 1] * len(more)
            last.append(len(tokens) - 1)
        block = torch.tensor(block)
        seen = (block[:, None] == block[None, :]) | (block[None, :] == 0)
        seen &= torch.ones_like(seen).tril()
        mask = torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill(~seen, -1e9)
        return torch.tensor(tokens), torch.tensor(positions)[None], mask[None, None], last

    def run(self, layers, x, positions, mask):
        turns = self.rotary(x, positions)
        for layer in layers:
            x = layer(x, attention_mask=mask, position_ids=positions, position_embeddings=turns)
            x = x[0] if isinstance(x, tuple) else x
        return x

    def begun(self, items):
        """Texts behind the layers that aren't adapted."""
        begun = []
        with torch.no_grad():
            for evidence, claims, kinds in items:
                tokens, positions, mask, last = self.packed(evidence, claims)
                x = self.run(self.low, self.embedding(tokens)[None], positions, mask)
                begun.append((x, positions, mask, last, kinds))
                print(f"\r{len(begun)} texts begun", end="", file=sys.stderr)
        return begun

    def states(self, item):
        """The residual stream at the last token of each claim: [claims, hidden]."""
        x, positions, mask, last, _ = item
        return self.run(self.high, x, positions, mask)[0, last].float()

    def all_states(self, items):
        with torch.no_grad():
            return torch.cat([self.states(item) for item in items])


def train(model, items):
    """Fits probe and adapters; returns the probe's weight [hidden], its bias [1] and the adapters,
    and keeps what they were after each epoch."""
    right = lambda kinds: torch.tensor([float(kind == "true") for kind in kinds])
    first = items[:FIRST]
    x = model.all_states(first).numpy()
    y = torch.cat([right(kinds) for *_, kinds in first]).numpy()
    scaler = StandardScaler().fit(x)
    start = LogisticRegression(C=0.003, max_iter=3000).fit(scaler.transform(x), y)
    mean, deviation = (torch.tensor(v).float() for v in (scaler.mean_, scaler.scale_))
    weight = torch.nn.Parameter(torch.tensor(start.coef_[0]).float())
    bias = torch.nn.Parameter(torch.tensor(start.intercept_).float())
    adapted = [p for a in model.adapters.values() for p in (a.down, a.up)]
    groups = [{"params": adapted, "weight_decay": 0.01}, {"params": [weight, bias], "weight_decay": 0}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))
    steps, step, began = EPOCHS * len(items), 0, time.time()
    for epoch in range(EPOCHS):
        order = list(range(len(items)))
        random.shuffle(order)
        for i in order:
            odds = (model.states(items[i]) - mean) / deviation @ weight + bias
            loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, right(items[i][-1]))
            (loss / BATCH).backward()
            step += 1
            if step % BATCH == 0:
                rate = min(1, step / (0.06 * steps))
                rate *= max(0.02, 0.5 * (1 + math.cos(math.pi * step / steps)))
                for group in optimiser.param_groups:
                    group["lr"] = RATE * rate
                torch.nn.utils.clip_grad_norm_(adapted, 1.0)
                optimiser.step()
                optimiser.zero_grad()
            if step % 20 == 0:
                seconds = time.time() - began
                print(f"step {step} of {steps}, loss {loss:.3f}, {seconds:.0f} s", file=sys.stderr)
        unscaled = weight.detach() / deviation
        adapters = {name: (a.down.data, a.up.data) for name, a in model.adapters.items()}
        kept = (unscaled, bias.detach() - (unscaled * mean).sum(), adapters)
        torch.save(kept, f"epoch{epoch + 1}.pt")
    return kept


FINDINGS = [
    ("SMALL", "numbers", lambda d: "is not in what it cites" in d),
    ("MOVED_NUMBER", "numbers", lambda d: "said of something else" in d),
    ("DISPLACED_NUMBER", "numbers", lambda d: "is perhaps said of" in d),
    ("MOVED_TIME", "dates", lambda d: "said of something else" in d),
    ("DISPLACED_TIME", "dates", lambda d: "is perhaps said of" in d),
    ("TURNED", "numbers", lambda d: "goes with" in d),
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


def weigh(signs, kinds, odds):
    """What the findings weigh beside the judged log-odds; prints it, and returns what these are to
    be multiplied with and what is to be added to them."""
    kind_of, judged = np.array([kind for kind, _ in kinds]), np.array(odds)
    y = (kind_of == "true").astype(int)
    bad = lambda sign: sign["verdict"] == "unsupported"
    # What nothing outweighs.
    certain = np.array(
        [any(bad(sign) and "against" not in sign for sign in signs[id].values()) for _, id in kinds]
    )
    found = np.array(
        [
            [
                float(bad(signs[id][kind]) and is_it(signs[id][kind]["detail"]))
                for _, kind, is_it in FINDINGS
            ]
            for _, id in kinds
        ]
    )
    both = LogisticRegression(C=0.5, max_iter=3000, class_weight="balanced")
    both.fit(np.column_stack([judged, found])[~certain], y[~certain])
    scale, against = both.coef_[0][0], np.maximum(0.1, -both.coef_[0][1:]).round(2)
    fused = scale * judged + both.intercept_[0] - found @ against
    fused[certain] = -np.inf
    level = np.quantile(fused[y == 1], REFUSED)
    for (name, _, _), value in zip(FINDINGS, against):
        print(f"const {name}: f32 = {value};")
    print(f"area under the curve: judged {roc_auc_score(y, judged):.3f}")
    rows = [(kind, kind_of == kind) for kind in sorted(set(kind_of.tolist()))]
    print("refused:", {kind: f"{(fused[at] < level).mean():.2f}" for kind, at in rows})
    return scale, both.intercept_[0] - level


def learnt(model):
    """Probe and adapters, learnt now or before."""
    cache, trained = pathlib.Path("cache.pt"), pathlib.Path("trained.pt")
    if not trained.exists():
        if not cache.exists():
            torch.save(model.begun(passages()), cache)
        torch.save(train(model, torch.load(cache, weights_only=False)), trained)
    return torch.load(trained)


def shipped(model):
    """Those of the file that is there."""
    tensors = load_file(SHIPPED)
    down = lambda name: tensors[f"{name}.lora_A.weight"].float()
    up = lambda name: tensors[f"{name}.lora_B.weight"].float() / SCALE
    adapters = {name: (down(name), up(name)) for name in model.adapters}
    return tensors["weight"], tensors["bias"], adapters


def main():
    torch.manual_seed(1)
    random.seed(1)
    signs = {}
    for line in open(sys.argv[2]):
        record = json.loads(line)
        signs[record["id"]] = {sign["kind"]: sign for sign in record["signs"]}
    model = Model(sys.argv[1])
    weight, bias, adapters = (shipped if "--weigh" in sys.argv else learnt)(model)
    for name, adapter in model.adapters.items():
        adapter.down.data, adapter.up.data = adapters[name]
    unseen = model.begun(articles())
    odds = (model.all_states(unseen) @ weight + bias).tolist()
    scale, more = weigh(signs, [kind for *_, kinds in unseen for kind in kinds], odds)
    tensors = {"weight": (weight * scale).float(), "bias": (bias * scale + more).float()}
    for name, (down, up) in adapters.items():
        tensors[f"{name}.lora_A.weight"] = down.half()
        # Its scale is in it.
        tensors[f"{name}.lora_B.weight"] = (up * SCALE).half()
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, SHIPPED)


if __name__ == "__main__":
    main()
