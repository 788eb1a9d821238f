"""Quotes chosen by passage id → a file with their sources: Word, Markdown, references, CSV (docs/citing.md)."""
