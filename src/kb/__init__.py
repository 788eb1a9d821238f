"""kb: a knowledge base over Chinese bank reports, with cited, verbatim excerpts."""

__version__ = "0.1.0"
