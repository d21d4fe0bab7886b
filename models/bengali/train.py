"""Fits an adapter that makes Gemma 3 270M translate Bengali news into English.

    pip install torch "transformers>=5.23" accelerate gguf safetensors
    python models/bengali/train.py GGUF PAIRS.tsv [--try STEPS RATE]

(Before it, `export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000`: with glibc's own settings
every tensor's memory is mapped anew.)

GGUF is the base model that the manifest names; PAIRS.tsv holds Bengali, English and source, tab-
separated (README.md says which sources and under what licences); models/bengali/pairs.jsonl is
added to it. The adapter (LoRA, Hu et al. 2021) is fitted to the base as it is quantised, so that it
is used over the very weights that it learnt over. The loss is on the English side alone, over the
tokens that occur in it and a changing sample of the others. Seeds are fixed; log.jsonl and
checkpoint.pt of the working folder hold the course, and a run that was stopped goes on from there.
Writes adapter_model.safetensors and adapter_config.json beside this file, in PEFT's layout.
"""

import collections
import itertools
import json
import math
import pathlib
import random
import re
import sys
import time
import unicodedata

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

HERE = pathlib.Path(__file__).parent
RANK, SCALE = 64, 2.0
RATE, WARM, BATCH, LONGEST = 3e-4, 40, 16, 224
# What share of each source's pairs is seen.
MIXTURE = {"own": 1, "tico19": 0.25}
# The fewest Bengali words that a pair has, where it isn't our own.
FEWEST = 5
# Pairs of pairs.jsonl that are learnt from; those behind them came later. Some are held back, for
# the log.
OWN, HELD = 9700, 200
# Tokens beside those of the English sides that a step's softmax is taken over.
OTHERS = 8192
EVERY = 100


def normalised(text):
    """As the program reads an article's text (`prepared` in src/translate/translator.rs)."""
    text = unicodedata.normalize("NFC", text).replace("\u200c", "").replace("\u200d", "")
    text = re.sub(r"(?<=[\u0980-\u09ff])(\s*)[|\u09f7]", r"\1।", text)
    return " ".join(text.split())


def plain(english):
    """With the quotation marks that are typed."""
    return english.translate({0x201C: '"', 0x201D: '"', 0x2018: "'", 0x2019: "'"})


def names():
    """Bengali forms of the program's known names, with the English one."""
    for line in open(HERE.parents[1] / "prompts/names.tsv"):
        columns = unicodedata.normalize("NFC", line.rstrip("\n")).split("\t")
        if not line.startswith("#") and len(columns) > 2:
            english = columns[0].split("|")[0].strip()
            yield [form.strip() for form in columns[2].split("|") if form.strip()], english


def glossary(bengali, known):
    """What the prompt says of names, as `names::glossary` of the program writes it."""
    found = []
    for forms, english in known:
        # A word of its own; case endings begin with a consonant or with ে.
        pattern = "|".join(map(re.escape, forms))
        pattern = rf"(?<![\u0981-\u09cd])(?:{pattern})(?![\u09be-\u09c4\u09c8\u09cd])"
        if match := re.search(pattern, bengali):
            found.append((match.start(), f"{match.group()} = {english}"))
    return "; ".join(entry for _, entry in sorted(found)[:8])


def pairs(tsv):
    """Pairs to learn from, and those held back."""
    own = [json.loads(line) for line in itertools.islice(open(HERE / "pairs.jsonl"), OWN)]
    random.Random(3).shuffle(own)
    held = [(pair["bn"], pair["en"]) for pair in own[:HELD]]
    by_source = collections.defaultdict(list)
    by_source["own"] = [(pair["bn"], pair["en"]) for pair in own[HELD:]]
    for line in open(tsv):
        bengali, english, source = line.rstrip("\n").split("\t")
        by_source[source.split("_")[0]].append((bengali, english))
    for source, all in by_source.items():
        words = lambda pair: (len(pair[0].split()), len(pair[1].split()))
        sound = lambda b, e: b >= FEWEST and 0.6 < e / b < 2.4
        all[:] = [pair for pair in all if source == "own" or sound(*words(pair))]
        random.Random(4).shuffle(all)
        print(f"{source}: {len(all)} pairs", flush=True)
    part = lambda source, share: by_source[source][: round(share * len(by_source[source]))]
    return [pair for source, share in MIXTURE.items() for pair in part(source, share)], held


class Tokens:
    """Pairs as the model reads and writes them."""

    def __init__(self, gguf):
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        self.names = list(names())

    def ids(self, text):
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def prompt(self, bengali):
        """What prompts/translate.bengali.jinja makes of a text."""
        bengali = normalised(bengali)
        known = glossary(bengali, self.names)
        prompt = f"Bengali: {bengali}\n" + (f"Names: {known}\n" if known else "") + "English:"
        return [self.tokenizer.bos_token_id] + self.ids(prompt)

    def answer(self, english):
        return self.ids(" " + plain(normalised(english))) + [self.tokenizer.eos_token_id]

    def examples(self, pairs):
        """Prompts and answers, but for those that are too long."""
        examples = [(self.prompt(bengali), self.answer(english)) for bengali, english in pairs]
        return [e for e in examples if len(e[0]) + len(e[1]) <= LONGEST]


class LowRank(torch.nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        down = torch.randn(RANK, linear.in_features) / math.sqrt(linear.in_features)
        self.down = torch.nn.Parameter(down)
        self.up = torch.nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x):
        # Scaled where it is thin, and added in the product: fewer passes over wide tensors.
        thin = (x @ self.down.to(x.dtype).T).flatten(0, -2) * SCALE
        out = self.linear(x)
        return torch.addmm(out.flatten(0, -2), thin, self.up.to(x.dtype).T).view_as(out)


class Learner:
    def __init__(self, gguf):
        from transformers import AutoModelForCausalLM, GgufConfig

        self.model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.bfloat16,
        )
        self.model.config.use_cache = False
        self.model.requires_grad_(False)
        self.head = self.model.get_input_embeddings().weight
        self.adapters = {}
        for n, layer in enumerate(self.model.model.layers):
            for block in ["self_attn", "mlp"]:
                module = getattr(layer, block)
                for part, linear in list(module.named_children()):
                    if isinstance(linear, torch.nn.Linear):
                        setattr(module, part, LowRank(linear))
                        name = f"base_model.model.model.layers.{n}.{block}.{part}"
                        self.adapters[name] = getattr(module, part)
        self.parameters = [p for a in self.adapters.values() for p in (a.down, a.up)]
        # Tokens of the English sides.
        self.used = torch.tensor([], dtype=torch.long)

    def loss(self, batch):
        longest = max(len(prompt) + len(answer) for prompt, answer in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros(len(batch), longest, dtype=torch.long)
        at, answers = [], []
        for row, (prompt, answer) in enumerate(batch):
            tokens = prompt + answer
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            at += [row * longest + i for i in range(len(prompt) - 1, len(tokens) - 1)]
            answers += answer
        states = self.model.model(input_ids=ids, attention_mask=mask).last_hidden_state
        states = states.reshape(-1, states.shape[-1])[torch.tensor(at)]
        others = torch.randint(len(self.head), (OTHERS,))
        chosen = torch.cat([self.used, others[~torch.isin(others, self.used)]])
        place = torch.full((len(self.head),), -1, dtype=torch.long)
        place[chosen] = torch.arange(len(chosen))
        logits = states @ self.head[chosen].T
        return cross_entropy(logits.float(), place[torch.tensor(answers)])


def batches(examples, seed):
    """Of like length, in random order."""
    order = random.Random(seed)
    shuffled = examples[:]
    order.shuffle(shuffled)
    made = []
    for i in range(0, len(shuffled), BATCH * 40):
        part = sorted(shuffled[i : i + BATCH * 40], key=lambda e: len(e[0]) + len(e[1]))
        made += [part[j : j + BATCH] for j in range(0, len(part), BATCH)]
    order.shuffle(made)
    return made


def write(learner):
    tensors = {}
    for name, adapter in learner.adapters.items():
        tensors[f"{name}.lora_A.weight"] = adapter.down.data.half().contiguous()
        tensors[f"{name}.lora_B.weight"] = adapter.up.data.half().contiguous()
    save_file(tensors, HERE / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "google/gemma-3-270m",
        "r": RANK,
        "lora_alpha": int(RANK * SCALE),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({name.rsplit(".", 1)[1] for name in learner.adapters}),
    }
    (HERE / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    torch.manual_seed(1)
    random.seed(1)
    gguf = pathlib.Path(sys.argv[1]).resolve()
    learner, tokens = Learner(gguf), Tokens(gguf)
    learnt, held = pairs(sys.argv[2])
    examples, unseen = tokens.examples(learnt), tokens.examples(held)
    words = {token for _, answer in examples + unseen for token in answer}
    learner.used = torch.tensor(sorted(words))
    made = batches(examples, 5)
    steps, rate = len(made), RATE
    trial = "--try" in sys.argv
    if trial:
        steps, rate = int(sys.argv[-2]), float(sys.argv[-1])
    lengths = sum(len(p) + len(a) for p, a in examples) / len(examples)
    print(f"{len(examples)} pairs of {lengths:.0f} tokens, {len(words)} English tokens, {steps} steps")
    optimiser = torch.optim.AdamW(learner.parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    checkpoint, first = pathlib.Path("checkpoint.pt"), 0
    if checkpoint.exists() and not trial:
        kept = torch.load(checkpoint)
        first = kept["step"]
        optimiser.load_state_dict(kept["optimiser"])
        with torch.no_grad():
            for parameter, value in zip(learner.parameters, kept["parameters"]):
                parameter.copy_(value)
    log = open("trial.jsonl" if trial else "log.jsonl", "a")
    began, mean = time.time(), None
    for step in range(first, steps):
        torch.manual_seed(step)
        loss = learner.loss(made[step])
        loss.backward()
        share = min(1, (step + 1) / min(WARM, steps / 4)) * max(0.02, 1 - step / steps)
        for group in optimiser.param_groups:
            group["lr"] = rate * share
        torch.nn.utils.clip_grad_norm_(learner.parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        if (step + 1) % 20 == 0 or step + 1 == steps:
            record = {"step": step + 1, "rate": rate, "loss": round(mean, 4)}
            record["seconds"] = round(time.time() - began)
            if (step + 1) % EVERY == 0 or step + 1 == steps:
                with torch.no_grad():
                    torch.manual_seed(0)
                    losses = [learner.loss(unseen[i : i + BATCH]) for i in range(0, len(unseen), BATCH)]
                record["held"] = round(sum(l.item() for l in losses) / len(losses), 4)
                if not trial:
                    kept = {"step": step + 1, "optimiser": optimiser.state_dict()}
                    kept["parameters"] = [p.data for p in learner.parameters]
                    torch.save(kept, checkpoint)
            log.write(json.dumps(record) + "\n")
            log.flush()
            print(record, flush=True)
    if not trial:
        write(learner)


if __name__ == "__main__":
    main()
