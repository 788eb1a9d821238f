"""Passages → tagged passages, their figures and the cases that they make up."""
