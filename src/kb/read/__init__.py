"""Readers: file → raw pages. A reader knows nothing of order, headings or passages."""
