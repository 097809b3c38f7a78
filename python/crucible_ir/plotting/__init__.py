"""Charts and graphs as SVG, for the console and `crucible-ir plot`."""
