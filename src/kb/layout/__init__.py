"""Layout: raw pages → pages with text in reading order, and blocks (headings, paragraphs, table rows)."""
