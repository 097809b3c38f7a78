"""What the interop tests import is not collected."""

# pytest would import these a second time to look for doctests.
collect_ignore = ["builds.py", "toolchains.py"]
# An executor is a program: it runs as soon as it is imported.
collect_ignore_glob = ["*/executor.py"]
