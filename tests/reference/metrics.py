"""Records what sacrebleu and rouge_score compute, for tests/metrics.rs.

pip install sacrebleu==2.6.0 rouge_score==0.1.2
python metrics.py FLORES_FOLDER > metrics.json    # the folder with de.txt, zh.txt, bn.txt, en.txt

Of FLORES-200 only scores are recorded, never sentences.
"""
import json
import pathlib
import sys

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF, TER


def numbered(start, end):
    return [f"n{i}" for i in range(start, end)]


def edge(hypothesis, reference):
    """A pair whose TER another limit would change."""
    return " ".join(hypothesis), " ".join(reference)


# Hypothesis and reference.
PAIRS = [
    ("The bridge will stay closed until the end of October.",
     "The bridge will remain closed until the end of October."),
    ("Until the end of October the bridge will remain closed.",
     "The bridge will remain closed until the end of October."),
    ("", "Nobody was hurt in the fire."),
    ("Nobody was hurt in the fire.", ""),
    ("", ""),
    ("   ", "Only blanks stand on the other side."),
    ("Yes.", "Yes."),
    ("Yes", "No"),
    ("a", "a"),
    ("ab cd", "ab cd"),
    ("The city expects costs of 3.5 million euros.", "The city expects costs of 3,5 million euros."),
    ("On 13.09.2025, 1,250 people came; in 2024 it was 980.",
     "On September 13, 2025, 1250 people came; in 2024 there were 980."),
    ("Prices rose 4.2%, to $1,003.75 (from $963.29)!", "Prices rose by 4.2 % to $1003.75 (from $963.29)."),
    ("It was a 20-year-old car, re-painted in 1998-99.", "It was a 20 year old car, repainted in 1998/99."),
    ("He said: \"We can't do it.\"", "He said, 'We cannot do it.'"),
    ("\u201cWe can\u2019t do it,\u201d he said \u2013 twice\u2026", "\"We can't do it,\" he said - twice..."),
    ("THE MAYOR RESIGNED ON TUESDAY", "The mayor resigned on Tuesday"),
    ("the mayor resigned on tuesday .", "The mayor resigned on Tuesday."),
    ("on Tuesday the mayor of the small town on the river resigned",
     "the mayor of the small town on the river resigned on Tuesday"),
    ("yesterday in the harbour two ships with grain collided in fog",
     "two ships with grain collided in fog in the harbour yesterday"),
    ("five four three two one", "one two three four five"),
    ("e f g h a b c d", "a b c d e f g h"),
    ("b a d c f e h g", "a b c d e f g h"),
    ("the the the the the the the", "the cat is on the mat"),
    ("no no no no yes no no no no yes no no", "no yes no no yes no no yes no no yes no"),
    ("word " * 40, "word " * 35),
    (" ".join(f"w{i % 7}" for i in range(60)), " ".join(f"w{i % 5}" for i in range(55))),
    (" ".join(f"n{i}" for i in range(70)), " ".join(f"n{i}" for i in [*range(60, 70), *range(60)])),
    (" ".join(f"n{i}" for i in range(130)), " ".join(f"n{i}" for i in [*range(80, 130), *range(80)])),
    (" ".join(f"n{i}" for i in reversed(range(45))), " ".join(f"n{i}" for i in range(45))),
    ("x", " ".join(f"r{i}" for i in range(80)) + " x"),
    (" ".join(f"r{i}" for i in range(80)) + " x", "x"),
    ("one two", " ".join("one two three".split() * 50)),
    ("Der Bürgermeister von Köln äußerte sich über die Straße.",
     "The mayor of Cologne spoke about the road."),
    ("The STRASSE and the Straße; \u0130stanbul and istanbul; ΟΔΟΣ and οδος.",
     "the strasse and the STRAßE; istanbul and \u0130STANBUL; οδοσ and ΟΔΟς."),
    ("台北的桥仍然关闭到十月底。", "台北的橋到十月底仍然關閉。"),
    ("সেতুটি অক্টোবরের শেষ পর্যন্ত বন্ধ থাকবে।", "অক্টোবরের শেষ পর্যন্ত সেতুটি বন্ধ থাকবে।"),
    ("caf\u00e9 na\u00efve \U0001f600", "cafe\u0301 nai\u0308ve \U0001f603"),
    ("non\u00a0breaking\u2009thin\u3000ideographic\u200bzero", "non breaking thin ideographic zero"),
    ("unit\u001fseparator\u001cfile\ttab", "unit separator file tab"),
    ("next\u0085line\u2028break\x0bvertical", "next line break vertical"),
    ("AT&amp;T said &quot;x &lt; y&quot; <skipped> today", "AT&T said \"x < y\" today"),
    ("&amp;lt; stays once", "&lt; stays once"),
    ("a,b.c;d:e!f?g", "a, b. c; d: e! f? g"),
    (".5 5. 5.5 ..5 5.. , ,", "0.5 5 5.5 .. 5 ... ,,"),
    ("1-2 a-b 3-c d-4 5--6", "1 - 2 a - b 3 - c d - 4 5 - - 6"),
    ("{[(<~`!@#$%^&*_+=|\\/>)]}", "{ [ ( < ~ ` ! @ # $ % ^ & * _ + = | \\ / > ) ] }"),
    ("٣٫٥ and ３.５ and ½", "3.5 and 3.5 and 1/2"),
    ("first line-\nsecond line\nthird", "first linesecond line third"),
    ("trailing blanks and a tab \t ", "trailing blanks and a tab"),
    ("The ministry, which had denied the report on Monday, confirmed it on Friday evening.",
     "On Friday evening the ministry confirmed the report that it had denied on Monday."),
    ("Farmers fear for harvest; after weeks without rain rivers low are.",
     "After weeks without rain the rivers are low, and farmers fear for their harvest."),
    ("The minister for health of the state announced new rules for hospitals and clinics today",
     "Today the state health minister announced new rules for clinics and hospitals"),
    ("Two of the three the accused were acquitted, the third got five years.",
     "Two of the three accused were acquitted; the third was sentenced to five years."),
    ("In the north snow, in the south sun, in the west wind, in the east fog.",
     "Sun in the south, snow in the north, fog in the east, wind in the west."),
    # Runs of 10 words move, but not of 11; over 50 places, but not over 51; the beam is 25 wide.
    edge(numbered(10, 20) + numbered(0, 10), numbered(0, 20)),
    edge(numbered(11, 22) + numbered(0, 11), numbered(0, 22)),
    edge(numbered(1, 51) + ["n0"] + numbered(60, 65), numbered(0, 51) + numbered(60, 65)),
    edge(numbered(1, 52) + ["n0"] + numbered(60, 65), numbered(0, 52) + numbered(60, 65)),
    edge(["x"] * 25 + numbered(0, 60), numbered(0, 60) + ["y"] * 25),
    edge(["x"] * 26 + numbered(0, 60), numbered(0, 60) + ["y"] * 26),
]


def words(line):
    return line.split()


def drop(i, lines):
    """Without every 7th word."""
    return [word for at, word in enumerate(words(lines[i])) if at % 7 != 6]


def swap(i, lines):
    """Of each three pairs of words the first turned round."""
    line = words(lines[i])
    for at in range(0, len(line) - 1, 6):
        line[at], line[at + 1] = line[at + 1], line[at]
    return line


def move(i, lines):
    """The first words, one to seven, at the end."""
    line = words(lines[i])
    count = min(i % 7 + 1, len(line))
    return line[count:] + line[:count]


def bare(i, lines):
    """In upper case, without full stops and commas."""
    return [word.upper().strip(".,") for word in words(lines[i])]


def borrow(i, lines):
    """Every fourth word is the next line's first."""
    other = words(lines[(i + 1) % len(lines)])[0]
    return [other if at % 4 == 3 else word for at, word in enumerate(words(lines[i]))]


def other(i, lines):
    """The next line."""
    return words(lines[(i + 1) % len(lines)])


def backwards(i, lines):
    return words(lines[i])[::-1]


def mixed(i, lines):
    """One after the other; every 50th line is empty."""
    if i % 50 == 49:
        return []
    return [drop, swap, move, bare, borrow, other, backwards][i % 7](i, lines)


RULES = [drop, swap, move, bare, borrow, other, backwards, mixed]


def scores(hypotheses, references):
    bleu = BLEU(force=True).corpus_score(hypotheses, [references])
    return {
        "chrf": CHRF().corpus_score(hypotheses, [references]).score,
        "bleu": bleu.score,
        "verbose": bleu._verbose,
        "ter": TER().corpus_score(hypotheses, [references]).score,
    }


def signature(metric):
    metric.corpus_score(["a"], [["a"]])
    return str(metric.get_signature())


def lines_of(path):
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


flores = pathlib.Path(sys.argv[1])
english = lines_of(flores / "en.txt")
rouge = RougeScorer(["rouge1", "rouge2", "rougeL"])
pairs = []
for hypothesis, reference in PAIRS:
    agreement = rouge.score(reference, hypothesis)
    pairs.append({
        "hypothesis": hypothesis,
        "reference": reference,
        **scores([hypothesis], [reference]),
        **{name: list(agreement[name]) for name in agreement},
    })
subsets = []
for start, step in [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (2, 5), (30, 1)]:
    some = PAIRS[start::step]
    subsets.append({"start": start, "step": step, **scores(*map(list, zip(*some)))})
spoilt = [
    {"rule": rule.__name__, **scores([" ".join(rule(i, english)) for i in range(len(english))], english)}
    for rule in RULES
]
for name in ["de", "zh", "bn"]:
    spoilt.append({"rule": name, **scores(lines_of(flores / f"{name}.txt"), english)})
json.dump(
    {
        "signatures": {"chrF2": signature(CHRF()), "BLEU": signature(BLEU()), "TER": signature(TER())},
        "pairs": pairs,
        "subsets": subsets,
        "flores": spoilt,
    },
    sys.stdout,
    ensure_ascii=False,
    indent=1,
)
print()
