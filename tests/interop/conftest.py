"""What the interop tests import is not collected."""

# pytest would import these a second time to look for doctests.
collect_ignore = ["builds.py", "toolchains.py"]
