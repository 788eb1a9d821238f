"""The encoder alone, in a process of its own with a server's settings: how many questions a second it embeds."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from threading import Thread
from typing import Any


@dataclass(frozen=True, slots=True)
class EncoderAlone:
    """A process that embeds what it is told to."""

    process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def started(cls, index: Path) -> Iterator["EncoderAlone"]:
        """The process, with the encoder that this index is asked with."""
        command = [sys.executable, __file__, str(index)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield cls(process)
            finally:
                process.terminate()

    def rate(self, questions: Sequence[str], threads: int, seconds: float) -> float:
        """Questions a second, by so many threads at once."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([questions, threads, seconds]) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def embed_for(encoder: Any, questions: Sequence[str], threads: int, seconds: float) -> float:  # noqa: ANN401
    """Let threads embed one question after another as a search does; questions a second."""
    from kb.embed import embed_queries

    left, done = cycle(questions), [0] * threads
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        while time.perf_counter() < end:
            embed_queries(encoder, [next(left)])
            done[number] += 1

    workers = [Thread(target=work, args=(number,)) for number in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - start)


def main() -> None:
    """Serve lines of JSON: questions, threads, seconds."""
    from kb.model import encoder_for
    from kb.settings import load_settings

    encoder = encoder_for(load_settings().model_copy(update={"index": Path(sys.argv[1])}))
    for line in sys.stdin:
        print(embed_for(encoder, *json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
