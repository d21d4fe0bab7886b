"""Measures brief beside llama.cpp and candle-transformers: same file, same prompts, same run.

    pip install cmake ninja
    cargo build --release
    python benches/peers.py MODEL.gguf FLORES [--articles FOLDER] [--llama BUILD] [--rounds 2] [--sentences 100] [--without-candle]

MODEL.gguf is qwen2.5-coder-1.5b-instruct-q4_k_m; FLORES a folder with zh.txt and de.txt. llama.cpp
gets the prompts of brief's own run, and writes as many tokens. It is built from the sources inside llama-cpp-python's source distribution, unless BUILD holds it already.
The programs take turns, and of each figure the best round counts: on a shared machine, whatever
disturbs only slows down. Writes peers.json and batch.svg beside this file, and prints tables.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
PACKAGE = "llama-cpp-python==0.3.36"
# Its GGML_NATIVE has crashed on processors with AMX.
FLAGS = "NATIVE=OFF AVX512=ON AVX512_VBMI=ON AVX512_VNNI=ON AVX512_BF16=ON AVX2=ON FMA=ON F16C=ON BMI2=ON"
TOOLS = ["llama-bench", "llama-batched-bench", "llama-server"]
PREFILL, BATCHES, CONTEXT, STEPS = [256, 1024], [1, 2, 4, 8, 16, 32, 64], 64, 24
# Sequences that llama.cpp decodes together: with more, more of its slots read the common beginning
# for themselves.
TOGETHER = 8


def run(command, **more):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **more)


def build(folder):
    """llama.cpp's own programs; returns where they are."""
    if not all((folder / "bin" / tool).exists() for tool in TOOLS):
        folder.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "-d", folder, PACKAGE])
        archive = next(folder.glob("llama_cpp_python-*.tar.gz"))
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "source", filter="data")
        source = next((folder / "source").glob("*/vendor/llama.cpp"))
        options = [f"-DGGML_{flag}" for flag in FLAGS.split()]
        options += ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_CURL=OFF"]
        run(["cmake", "-G", "Ninja", "-S", source, "-B", folder, *options])
        run(["cmake", "--build", folder, "--target", *TOOLS])
    return folder / "bin"


def traced(brief, model, threads, command):
    """Runs brief; returns its seconds, the prompts that it gave the model, and the tokens written for
    each, in phases: what was asked for together, e.g. first attempts at all sentences."""
    command = [brief, *command, "--offline", "-q", "--model", model, "--threads", threads]
    began = time.time()
    log = run(command, env=os.environ | {"BRIEF_LOG": "brief::engine=trace"}).stderr
    seconds = time.time() - began
    begun, ended = {}, {}
    for line in log.splitlines():
        if found := re.search(r"begins job=(\d+) index=(\d+) prompt=\[(.*?)\]", line):
            job, index, tokens = found.groups()
            begun[int(job), int(index)] = [int(t) for t in tokens.split(",")]
        elif found := re.search(r"ended job=(\d+) index=(\d+) written=(\d+)", line):
            job, index, written = found.groups()
            ended[int(job), int(index)] = int(written)
    assert begun and begun.keys() == ended.keys(), "the log is not as it is read here"
    jobs = sorted({job for job, _ in begun})
    # The token that ends a text is computed too.
    return seconds, [[(begun[key], ended[key] + 1) for key in sorted(begun) if key[0] == job] for job in jobs]


class Server:
    """llama.cpp's server, with so many sequences decoding together."""

    def __init__(self, programs, model, threads, sequences, longest):
        context = sequences * (longest + 64)
        self.address = "http://127.0.0.1:8971"
        command = [programs / "llama-server", "-m", model, "-t", threads, "-np", sequences, "-c", context]
        command += ["--host", "127.0.0.1", "--port", "8971"]
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                with urllib.request.urlopen(self.address + "/health") as answer:
                    if answer.status == 200:
                        return
            except OSError:
                assert self.process.poll() is None, "llama-server has ended"
                time.sleep(0.05)

    def complete(self, request):
        tokens, count = request
        body = {"prompt": tokens, "n_predict": count, "temperature": 0, "ignore_eos": True, "cache_prompt": True}
        body = json.dumps(body).encode()
        post = urllib.request.Request(self.address + "/completion", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(post) as answer:
            written = json.load(answer)["tokens_predicted"]
        assert written == count, f"{written} tokens instead of {count}"

    def close(self):
        self.process.terminate()
        self.process.wait()


def with_llama(programs, model, threads, sequences, phases):
    longest = max(len(tokens) + count for phase in phases for tokens, count in phase)
    began = time.time()
    server = Server(programs, model, threads, sequences, longest)
    try:
        for phase in phases:
            with concurrent.futures.ThreadPoolExecutor(sequences) as pool:
                list(pool.map(server.complete, phase))
    finally:
        server.close()
    return time.time() - began


def measure_brief(brief, model, threads):
    lists = ["--prefill", ",".join(map(str, PREFILL)), "--batch", ",".join(map(str, BATCHES))]
    command = [brief, "bench", "--json", "--offline", "--model", model, "--threads", threads, *lists]
    report = json.loads(run([*command, "--context", CONTEXT, "--tokens", STEPS]).stdout)
    rates = {f"prefill {p['tokens']}": p["rate"] for p in report["prefill"]}
    rates |= {f"decode {d['sequences']}": d["rate"] for d in report["decode"]}
    return rates, report


def measure_llama(programs, model, threads):
    command = [programs / "llama-bench", "-m", model, "-t", threads, "-p", ",".join(map(str, PREFILL))]
    tests = json.loads(run([*command, "-n", 0, "-r", 3, "-o", "json"]).stdout)
    rates = {f"prefill {t['n_prompt']}": max(t["samples_ts"]) for t in tests}
    command = [programs / "llama-batched-bench", "-m", model, "-t", threads, "-npp", CONTEXT, "-ntg", STEPS]
    command += ["-npl", ",".join(map(str, BATCHES)), "-c", BATCHES[-1] * (CONTEXT + STEPS)]
    for line in run([*command, "--output-format", "jsonl"]).stdout.splitlines():
        if line.startswith("{"):
            test = json.loads(line)
            rates[f"decode {test['pl']}"] = test["speed_tg"]
    return rates


def measure_candle(model):
    """candle-transformers' rates, by Criterion."""
    run(["cargo", "bench", "--bench", "passes", "--", "candle"], env=os.environ | {"MODEL": str(model)}, cwd=ROOT)
    rates = {}
    for kind, count, units in [("prefill", 256, 256), ("prefill", 1024, 1024), ("decode", 1, 1)]:
        estimates = ROOT / f"target/criterion/{kind}/candle/{count}/new/estimates.json"
        nanoseconds = json.loads(estimates.read_text())["median"]["point_estimate"]
        rates[f"{kind} {count}"] = units / nanoseconds * 1e9
    return rates


def plot(rates, path):
    """Decoding rates by sequences, as SVG."""
    width, height, left, bottom = 640, 360, 56, 44
    colours = {"brief": "#0072b2", "llama.cpp": "#d55e00", "candle-transformers": "#009e73"}
    points = {who: [(b, of[f"decode {b}"]) for b in BATCHES if f"decode {b}" in of] for who, of in rates.items()}
    most = max(rate for line in points.values() for _, rate in line) * 1.08
    x = lambda batch: left + (width - left - 20) * BATCHES.index(batch) / (len(BATCHES) - 1)
    y = lambda rate: 16 + (height - bottom - 16) * (1 - rate / most)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">']
    out.append(f'<rect width="{width}" height="{height}" fill="#ffffff"/>')
    step = 10 ** len(str(int(most / 5))) / 5 if most > 10 else 1
    tick = 0.0
    while tick < most:
        out.append(f'<path d="M{left} {y(tick):.1f}H{width - 20}" stroke="#dddddd"/>')
        out.append(f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.0f}</text>')
        tick += step
    for batch in BATCHES:
        out.append(f'<text x="{x(batch):.1f}" y="{height - bottom + 18}" text-anchor="middle">{batch}</text>')
    out.append(f'<text x="{(left + width) / 2}" y="{height - 8}" text-anchor="middle">sequences that decode together</text>')
    out.append(f'<text x="{left + 8}" y="14">tokens a second, all together</text>')
    for n, (who, line) in enumerate(points.items()):
        path_data = "L".join(f"{x(b):.1f} {y(r):.1f}" for b, r in line)
        out.append(f'<path d="M{path_data}" fill="none" stroke="{colours[who]}" stroke-width="2"/>')
        out += [f'<circle cx="{x(b):.1f}" cy="{y(r):.1f}" r="3.5" fill="{colours[who]}"/>' for b, r in line]
        out.append(f'<rect x="{left + 12}" y="{26 + 18 * n}" width="12" height="12" fill="{colours[who]}"/>')
        out.append(f'<text x="{left + 30}" y="{37 + 18 * n}">{who}</text>')
    path.write_text("\n".join(out + ["</svg>"]) + "\n")


def table(rates):
    names = list(rates)
    print("| tokens/s | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for key in rates["brief"]:
        cells = [f"{rates[who][key]:.1f}" if key in rates[who] else "-" for who in names]
        print(f"| {key} | " + " | ".join(cells) + " |")


def best(rounds):
    return {key: max(r[key] for r in rounds) for key in rounds[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("flores", type=pathlib.Path)
    parser.add_argument("--articles", type=pathlib.Path, help="a folder to summarise")
    parser.add_argument("--llama", type=pathlib.Path, default=ROOT / "target/llama")
    parser.add_argument("--brief", type=pathlib.Path, default=ROOT / "target/release/brief")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=100, help="of each language")
    parser.add_argument("--without-candle", action="store_true", help="saves building it")
    args = parser.parse_args()
    model, threads = args.model.resolve(), args.threads
    programs = build(args.llama.resolve())

    rounds = {"brief": [], "llama.cpp": []}
    for _ in range(args.rounds):
        rates, report = measure_brief(args.brief, model, threads)
        rounds["brief"].append(rates)
        rounds["llama.cpp"].append(measure_llama(programs, model, threads))
    rates = {who: best(of) for who, of in rounds.items()}
    if not args.without_candle:
        rates["candle-transformers"] = measure_candle(model)
    table(rates)
    plot(rates, HERE / "batch.svg")

    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        folder, tasks = pathlib.Path(folder), {}
        for language in ["zh", "de"]:
            source = folder / f"{language}.txt"
            lines = (args.flores / f"{language}.txt").read_text().splitlines()[: args.sentences]
            source.write_text("\n".join(lines) + "\n")
            translate = ["translate", "--lines", "--from", language, "-o", os.devnull, source]
            tasks[f"{len(lines)} sentences, {language}"] = translate
        if args.articles:
            tasks["articles"] = ["summarize", "--format", "json", "-o", folder / "briefs", args.articles]
        for task, command in tasks.items():
            own, phases = traced(args.brief, model, threads, command)
            times = seconds[task] = {"brief": own}
            times["llama.cpp, one after another"] = with_llama(programs, model, threads, 1, phases)
            if task != "articles":
                times[f"llama.cpp, {TOGETHER} together"] = with_llama(programs, model, threads, TOGETHER, phases)
            requests = [request for phase in phases for request in phase]
            print(f"\n{task}: {len(requests)} prompts, {sum(count for _, count in requests)} tokens written")
            for who, time_taken in times.items():
                print(f"| {who} | {time_taken:.1f} s | {time_taken / own:.2f} |", flush=True)
    record = {"machine": report["machine"], "model": report["model"], "rates": rates, "seconds": seconds}
    (HERE / "peers.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
