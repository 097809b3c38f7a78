"""JSON: one codec, with the dialects ProtoJSON and Crucible JSON."""
