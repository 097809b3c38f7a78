"""Lints of model versions and their artifacts."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for

_VERSION = {"id": "gpt2_v1", "model_id": "gpt2", "version": "1.0.0"}
_FILE = "s3://models/gpt2/v1/model.safetensors"


@lint_for(
    v1.ModelVersion,
    "model_version.artifact_without_digest",
    Severity.WARNING,
    "An artifact of a production version has no digest: readers cannot check what they load.",
    bad={**_VERSION, "stage": "MODEL_STAGE_PRODUCTION", "artifacts": [{"uri": _FILE}]},
    good={
        **_VERSION,
        "stage": "MODEL_STAGE_PRODUCTION",
        "artifacts": [{"uri": _FILE, "digest": f"sha256:{'3f' * 32}"}],
    },
)
def artifact_without_digest(version: v1.ModelVersion) -> Iterator[Problem]:
    """Report each of the ``artifacts`` without ``digest``, in production."""
    if version.stage == v1.ModelStage.MODEL_STAGE_PRODUCTION:
        for index, artifact in enumerate(version.artifacts):
            if not artifact.digest:
                yield Problem(
                    ("artifacts", index),
                    "an artifact of a production version has no digest",
                    "set digest, such as sha256: and the hexadecimal SHA-256 of the file",
                )


@lint_for(
    v1.ModelVersion,
    "model_version.artifact_uri_mismatch",
    Severity.WARNING,
    "The URI of a version is that of none of its artifacts.",
    bad={**_VERSION, "artifact_uri": "s3://models/gpt2/v0", "artifacts": [{"uri": _FILE}]},
    good={**_VERSION, "artifact_uri": _FILE, "artifacts": [{"uri": _FILE}]},
)
def artifact_uri_mismatch(version: v1.ModelVersion) -> Iterator[Problem]:
    """Report an ``artifact_uri`` that disagrees with all ``artifacts``."""
    uris = {artifact.uri for artifact in version.artifacts}
    if version.artifact_uri and uris and version.artifact_uri not in uris:
        yield Problem(
            ("artifact_uri",),
            "the URI is that of none of the artifacts",
            "set it to the URI of one of the artifacts, or add that artifact",
        )
