"""Fits an adapter that makes Gemma 3 270M translate Bengali news into English.

    pip install torch "transformers>=5.23" accelerate gguf safetensors
    python models/bengali/train.py GGUF PAIRS.tsv

(Before it, `export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000`: with glibc's own settings
every tensor's memory is mapped anew. torch.compile wants a C++ compiler.)

GGUF is the base model that the manifest names; PAIRS.tsv holds Bengali, English and source, tab-
separated (README.md says which sources and under what licences); models/bengali/pairs.jsonl is
added to it. The adapter (LoRA, Hu et al. 2021) is fitted to the base as it is quantised, so that it
is used over the very weights that it learnt over. The loss is on the English side alone, over the
tokens that occur in it and a changing sample of the others. Seeds are fixed; log.jsonl and
checkpoint.pt of the working folder hold the course, and a run that was stopped goes on from there.
Writes adapter_model.safetensors and adapter_config.json beside this file, in PEFT's layout.
"""

import collections
import dataclasses
import json
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
sys.path.append(str(HERE.parent))

import lora
from names import WORD, forms

RANK, SCALE, WARM, BATCH = 64, 2.0, 40, 16


@dataclasses.dataclass
class Cycle:
    """A warm-up and a decay of the rate, over steps up to `last`. A part learns from some pairs of
    each source, in random order; pairs of more than `longest` tokens are left out. With `named`,
    prompts tell names of names.tsv too, most of the time."""

    last: int
    rate: float
    longest: int
    named: bool
    parts: list


# As pairs.jsonl grew, so did these.
CYCLES = [
    Cycle(641, 3e-4, 224, False, [{"own": (0, 9500), "tico19": (0, 756)}]),
    Cycle(
        1541,
        3e-4,
        224,
        False,
        [
            {"own": (9500, 14000), "tico19": (756, 3025), "flores": (0, 997)},
            {"own": (14000, 20300), "flores": (0, 400)},
        ],
    ),
    Cycle(
        3131,
        2e-4,
        272,
        True,
        [{"own": (0, 21650), "tico19": (0, 3025), "flores": (0, 997)}],
    ),
]
# How often names of names.tsv are told at all, and then each of them.
TOLD, EACH = 0.6, 0.85
# The fewest Bengali words that a pair has, where it isn't our own.
FEWEST = 5
# Of the first 9,700 pairs of pairs.jsonl, which are taken in random order, some are held back, for
# the log; those behind them came later.
SHUFFLED, HELD = 9700, 200
# Tokens beside those of the English sides that a step's softmax is taken over.
OTHERS = 8192
EVERY = 100
# Words of a listed name.
LONGEST = 6


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


def places(bengali, listed):
    """The listed names of a text: where each begins, and its form. Of those that overlap, the longest."""
    words, i = list(WORD.finditer(bengali)), 0
    while i < len(words):
        for count in range(min(LONGEST, len(words) - i), 0, -1):
            whole = bengali[words[i].start() : words[i + count - 1].end()]
            if form := next((form for form in forms(whole) if form in listed), None):
                yield words[i].start(), form
                i += count - 1
                break
        i += 1


def glossary(bengali, known, listed):
    """What the prompt says of names, as `names::glossary` of the program writes it."""
    found = []
    for spellings, english in known:
        # A word of its own; case endings begin with a consonant or with ে.
        pattern = "|".join(map(re.escape, spellings))
        pattern = rf"(?<![\u0981-\u09cd])(?:{pattern})(?![\u09be-\u09c4\u09c8\u09cd])"
        if match := re.search(pattern, bengali):
            found.append((match.start(), match.group(), english))
    others = list(places(bengali, listed))
    # Of names that stand in one another, the longer one is meant.
    within = lambda at, form, start, longer: len(form) < len(longer) and start <= at < start + len(longer)
    found = [f for f in found if not any(within(f[0], f[1], *other) for other in others)]
    told = {at: f"{form} = {listed[form]}" for at, form in others if not any(within(at, form, f[0], f[1]) for f in found)}
    told |= {at: f"{form} = {english}" for at, form, english in found}
    return "; ".join(entry for _, entry in sorted(told.items())[:8])


def pairs(tsv):
    """Pairs to learn from by source, and those held back."""
    own = [json.loads(line) for line in open(HERE / "pairs.jsonl")]
    own = [(pair["bn"], pair["en"]) for pair in own]
    first = own[:SHUFFLED]
    random.Random(3).shuffle(first)
    by_source = collections.defaultdict(list)
    for line in open(tsv):
        bengali, english, source = line.rstrip("\n").split("\t")
        by_source[source.split("_")[0]].append((bengali, english))
    for source, all in by_source.items():
        words = lambda pair: (len(pair[0].split()), len(pair[1].split()))
        sound = lambda b, e: b >= FEWEST and 0.6 < e / b < 2.4
        all[:] = [pair for pair in all if sound(*words(pair))]
        random.Random(4).shuffle(all)
    by_source["own"] = first[HELD:] + own[SHUFFLED:]
    return by_source, first[:HELD]


class Tokens:
    """Pairs as the model reads and writes them."""

    def __init__(self, gguf):
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        self.names = list(names())
        self.listed = dict(line.rstrip("\n").split("\t") for line in open(HERE / "names.tsv"))
        self.random = random.Random(6)

    def ids(self, text):
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def told(self, bengali):
        """Of the listed names that a text mentions, those to tell."""
        if self.random.random() >= TOLD:
            return {}
        mentioned = {form for word in WORD.findall(normalised(bengali)) for form in forms(word)}
        mentioned = sorted(mentioned & self.listed.keys())
        return {form: self.listed[form] for form in mentioned if self.random.random() < EACH}

    def prompt(self, bengali, listed):
        """What prompts/translate.bengali.jinja makes of a text."""
        bengali = normalised(bengali)
        known = glossary(bengali, self.names, listed)
        prompt = f"Bengali: {bengali}\n" + (f"Names: {known}\n" if known else "") + "English:"
        return [self.tokenizer.bos_token_id] + self.ids(prompt)

    def answer(self, english):
        return self.ids(" " + plain(normalised(english))) + [self.tokenizer.eos_token_id]

    def examples(self, pairs, named=False):
        """Prompts and answers."""
        prompt = lambda text: self.prompt(text, self.told(text) if named else {})
        return [(prompt(bengali), self.answer(english)) for bengali, english in pairs]


def fits(example, longest):
    prompt, answer = example
    return len(prompt) + len(answer) <= longest


class Fused(lora.LowRank):
    def forward(self, x):
        # Scaled where it is thin, and added in the product: fewer passes over wide tensors.
        thin = (x @ self.down.to(x.dtype).T).flatten(0, -2) * self.scale
        out = self.linear(x)
        return torch.addmm(out.flatten(0, -2), thin, self.up.to(x.dtype).T).view_as(out)


class Learner:
    def __init__(self, gguf, used):
        self.model = lora.base(gguf)
        self.model.config.use_cache = False
        self.head = self.model.get_input_embeddings().weight
        self.adapters = lora.adapt(self.model.model.layers, 0, RANK, SCALE, Fused)
        for layer in self.model.model.layers:
            layer.compile(dynamic=True)
        self.parameters = [p for a in self.adapters.values() for p in (a.down, a.up)]
        # Tokens of the English sides.
        self.used = torch.tensor(sorted(used))

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


def course(tokens, learnt):
    """Each step's rate and batch; `learnt` has the pairs by source."""
    first = 0
    for cycle in CYCLES:
        made = []
        for part in cycle.parts:
            chosen = [pair for source, (a, b) in part.items() for pair in learnt[source][a:b]]
            examples = tokens.examples(chosen, cycle.named)
            made += batches([e for e in examples if fits(e, cycle.longest)], 5)
        steps = cycle.last - first
        for step, batch in enumerate(made[:steps]):
            rate = cycle.rate * min(1, (step + 1) / WARM) * max(0.02, 1 - step / steps)
            yield rate, batch
        first = cycle.last


def main():
    gguf = pathlib.Path(sys.argv[1]).resolve()
    tokens = Tokens(gguf)
    learnt, held = pairs(sys.argv[2])
    steps = list(enumerate(course(tokens, learnt), 1))
    unseen = [e for e in tokens.examples(held) if fits(e, CYCLES[0].longest)]
    seen = [example for _, (_, batch) in steps for example in batch]
    words = {token for _, answer in seen + unseen for token in answer}
    torch.manual_seed(1)
    learner = Learner(gguf, words)
    optimiser = torch.optim.AdamW(learner.parameters, lr=CYCLES[0].rate, betas=(0.9, 0.98), weight_decay=0.0)
    checkpoint, done = pathlib.Path("checkpoint.pt"), 0
    if checkpoint.exists():
        kept = torch.load(checkpoint)
        done = kept["step"]
        optimiser.load_state_dict(kept["optimiser"])
        with torch.no_grad():
            for parameter, value in zip(learner.parameters, kept["parameters"]):
                parameter.copy_(value)
    log = open("log.jsonl", "a")
    print(f"{len(words)} English tokens, {len(steps)} steps, {done} of them done", flush=True)
    began, mean = time.time(), None
    for step, (rate, batch) in steps[done:]:
        torch.manual_seed(step - 1)
        loss = learner.loss(batch)
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = rate
        torch.nn.utils.clip_grad_norm_(learner.parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        last = step == len(steps)
        if step % 20 == 0 or last:
            record = {"step": step, "rate": round(rate, 7), "loss": round(mean, 4)}
            record["seconds"] = round(time.time() - began)
            if step % EVERY == 0 or last:
                torch.manual_seed(0)
                parts = [unseen[i : i + BATCH] for i in range(0, len(unseen), BATCH)]
                record["held"] = round(sum(learner.loss(p).item() for p in parts) / len(parts), 4)
                kept = {"step": step, "optimiser": optimiser.state_dict()}
                kept["parameters"] = [p.data for p in learner.parameters]
                torch.save(kept, checkpoint)
            log.write(json.dumps(record) + "\n")
            log.flush()
            print(record, flush=True)
    write(learner)


if __name__ == "__main__":
    main()
