"""Finds the names in pairs.jsonl, and writes those that can be told to the model: names.tsv; and
the words there that are none: prompts/ordinary.txt.

    python models/bengali/names.py PAIRS.tsv

PAIRS.tsv is train.py's; its English counts as well when it is asked which words are ordinary.
A name's Bengali form is found by its consonants: those of a capitalised English word inside a sentence,
and those of a Bengali word without its case ending. A form is kept if nearly every pair with it has the
English word; English words that are also written small are no names.
"""

import calendar
import collections
import difflib
import json
import pathlib
import re
import sys
import unicodedata

HERE = pathlib.Path(__file__).parent
CONSONANTS = dict(zip("কখগঘঙচছজঝঞটঠডঢণতথদধনপফবভমযরলশষসহৎং", "kkggnccjjnttddnttddnpfbbmjrlssshtn"))
# Case endings and articles, the longest first.
ENDINGS = "গুলোর গুলির গুলোতে গুলোকে গুলো গুলি দেরকে দের টিকে টির টি েরা ের কে তে রা য়ের য় র ে".split()
WORD = re.compile(r"[\u0980-\u09e5\u09f0-\u09f1]+")
# As many pairs as there were when the adapter's third cycle was planned.
PAIRS = 20500
# Of the consonants, the least that must agree; and of the pairs with a form.
ALIKE, KEPT = 0.75, 0.8


def composed(text):
    return unicodedata.normalize("NFC", text).replace("\u200c", "").replace("\u200d", "")


def bengali_sounds(word):
    sounds = []
    for letter in composed(word):
        if letter in CONSONANTS:
            sounds.append(CONSONANTS[letter])
        elif letter == "\u09bc" and sounds:
            # A dot below: ড় ঢ় য়
            sounds[-1] = {"d": "r", "j": ""}.get(sounds[-1], sounds[-1])
    return "".join(sounds).replace("h", "")


def english_sounds(word):
    plain = unicodedata.normalize("NFD", word.lower())
    plain = "".join(letter for letter in plain if letter.isascii() and letter.isalpha())
    for spelt, sound in [
        ("sch", "s"), ("tch", "C"), ("sh", "s"), ("ch", "C"), ("ck", "k"), ("ph", "f"), ("th", "t"),
        ("gh", "g"), ("kh", "k"), ("bh", "b"), ("dh", "d"), ("zh", "j"), ("x", "ks"), ("q", "k"),
        ("v", "b"), ("z", "j"),
    ]:
        plain = plain.replace(spelt, sound)
    plain = re.sub(r"c(?=[eiy])", "s", plain).replace("c", "k").replace("C", "c")
    return re.sub(r"(.)\1+", r"\1", re.sub("[aeiouyhw]", "", plain))


def forms(word):
    """A Bengali word, and what it may be without its ending."""
    yield word
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            yield word[: -len(ending)]


def alike(form, english):
    theirs, ours = english_sounds(english), bengali_sounds(form)
    if len(theirs) < 2 or not ours or theirs[0] != ours[0]:
        return 0
    return difflib.SequenceMatcher(None, ours, theirs).ratio()


def named(english):
    """Capitalised words inside sentences."""
    for match in re.finditer(r"[^\W\d_][\w-]*", english):
        before = english[: match.start()].rstrip("\"'“‘(")
        inside = before.endswith(" ") and not before.rstrip().endswith((".", "!", "?", ":"))
        if inside and match.group()[0].isupper() and not match.group().isupper():
            yield match.group()


def lowered(texts):
    return collections.Counter(
        word for text in texts for word in re.findall(r"(?<![\w’'-])[a-z]+(?![\w-])", text)
    )


def write_ordinary(ours, theirs):
    theirs = list(theirs)
    capitals = lambda texts: collections.Counter(name for text in texts for name in named(text))
    small, careless = lowered(ours), lowered(theirs)
    ours, theirs = capitals(ours), capitals(theirs)
    ordinary = {
        word
        for word in small | careless
        if len(word) > 2
        and (
            2 <= small[word] >= ours[word.capitalize()] / 20
            or 4 <= careless[word] >= theirs[word.capitalize()]
        )
    }
    ordinary |= {day.lower() for day in [*calendar.day_name, *calendar.month_name[1:]]}
    ordinary |= set("inc ltd corp bros rev sen gov gen col sgt capt mrs nov dec jan feb aug sept oct".split())
    (HERE.parents[1] / "prompts/ordinary.txt").write_text("\n".join(sorted(ordinary)) + "\n")


def main():
    pairs = [json.loads(line) for line in open(HERE / "pairs.jsonl")][:PAIRS]
    pairs = [(WORD.findall(composed(pair["bn"])), pair["en"]) for pair in pairs]
    small = collections.Counter(w for _, en in pairs for w in re.findall(r"(?<![\w’'])[a-z][\w-]*", en))
    write_ordinary([english for _, english in pairs], (line.split("\t")[1] for line in open(sys.argv[1])))
    found = collections.defaultdict(collections.Counter)
    for words, english in pairs:
        for name in set(named(english)):
            best = max(
                ((alike(form, name), -len(form), form) for word in words for form in forms(word)),
                default=(0, 0, ""),
            )
            if best[0] >= ALIKE and small[name.lower()] < 2:
                found[best[2]][name] += 1
    having = collections.defaultdict(list)
    for words, english in pairs:
        for form in {form for word in words for form in forms(word)}:
            if form in found:
                having[form].append(english)
    with open(HERE / "names.tsv", "w") as out:
        for form, names in sorted(found.items()):
            name, count = min(names.items(), key=lambda item: (-item[1], item[0]))
            with_it = sum(name in english for english in having[form])
            sure = count > 1 or alike(form, name) == 1
            if with_it >= KEPT * len(having[form]) and len(form) > 2 and sure:
                out.write(f"{form}\t{name}\n")


if __name__ == "__main__":
    main()
