"""Summaries of feedback events: counts that can be merged and subtracted, and roll-ups of them."""
