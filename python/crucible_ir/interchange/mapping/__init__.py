"""The machinery that every foreign format uses: conversions, their reports, and files."""
