"""Streams of messages: length-delimited, JSON lines, and their compression."""
