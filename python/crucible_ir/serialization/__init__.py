"""The forms of a message: binary, ProtoJSON, Crucible JSON, YAML and text."""
