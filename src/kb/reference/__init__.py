"""Citations in print form: GB/T 7714—2015, Chinese footnotes, BibTeX, CSL-JSON and RIS (docs/citing.md)."""
