"""The command line: thin commands over the library; results to standard output, progress and messages to the other."""

import sqlite3
import sys

from kb.catalogue import STORE_FILE
from kb.cli import (  # each adds its commands
    backup,
    corpus,
    evaluation,
    grids,
    keys,
    model,
    output,
    pages,
    questions,
    quotes,
    saved,
    service,
    watch,
)
from kb.cli.common import app, err, fail
from kb.errors import KbError

__all__ = [
    "app",
    "backup",
    "corpus",
    "evaluation",
    "grids",
    "keys",
    "main",
    "model",
    "output",
    "pages",
    "questions",
    "quotes",
    "saved",
    "service",
    "watch",
]


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and exit status 1."""
    try:
        app()
    except KbError as error:
        fail(str(error))
    except sqlite3.IntegrityError:
        raise  # a fault of ours, which is not the disk's
    except sqlite3.DatabaseError as error:  # found while reading or writing, past the checks at opening
        fail(f"the index cannot be read or written ({STORE_FILE}: {str(error)[:80]}); free the disk, or ingest anew")
    except KeyboardInterrupt:
        err.print("kb: interrupted; what was stored before is whole")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        sys.exit(141)
