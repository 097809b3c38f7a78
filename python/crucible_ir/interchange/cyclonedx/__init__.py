"""CycloneDX: the models and data of an ML-BOM, as ModelRef, ModelVersion and DatasetRef.

The first document of a BOM keeps the BOM under ``options.cyclonedx.bom``, with a short entry for
each component that has documents; each of them keeps the rest of its component.
"""

from __future__ import annotations

from crucible_ir.interchange.cyclonedx.bom import import_record
from crucible_ir.interchange.cyclonedx.joining import join_boms
from crucible_ir.interchange.cyclonedx.messages import (
    export_dataset,
    export_evaluation,
    export_ref,
    export_version,
)
from crucible_ir.interchange.cyclonedx.names import NAME
from crucible_ir.interchange.mapping.format import Format

FORMAT = Format(
    NAME,
    "CycloneDX",
    "ML-BOM 1.6 and 1.7: models with their cards and data, as ModelRef, ModelVersion, "
    "EvaluationResult and DatasetRef.",
    import_record,
    {
        "ModelVersion": export_version,
        "EvaluationResult": export_evaluation,
        "ModelRef": export_ref,
        "DatasetRef": export_dataset,
    },
    join=join_boms,
)
import_ = FORMAT.import_
export = FORMAT.export
