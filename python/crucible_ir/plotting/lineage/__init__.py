"""Graphs of documents and the references between them."""
