"""Hypothesis profiles: repeatable in continuous integration, searching on a developer's machine."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The first example pays for imports and for the rules that protovalidate compiles, and generated
# messages are large: how long an example takes says nothing about the code.
_PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

settings.register_profile("ci", _PATIENT, derandomize=True, print_blob=True)
settings.register_profile("dev", _PATIENT)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# Modules that tests import: pytest would import them a second time to look for doctests.
collect_ignore = ["every_feature.py", "message_strategies.py", "pages.py"]
