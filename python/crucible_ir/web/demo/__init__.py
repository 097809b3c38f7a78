"""The example data: the work of an imagined small team, for the console without data of one's own.

The team sorts the tickets of a help desk and drafts replies to them. `story` is what it did, as
steps in time; `filling` publishes the story into a new exchange; `living` continues it.
"""
