"""Bundles: one file with documents, their digests and everything that they refer to.

A bundle is a ZIP archive, ``NAME.crucible.zip``, that depends on its documents only: the same
documents give the same bytes.

>>> import io
>>> from crucible_ir import v1
>>> documents = DocumentSet()
>>> documents.add(v1.ModelVersion(id="gpt2_1", model_id="gpt2", version="1.0.0"))
>>> file = io.BytesIO()
>>> [entry.path for entry in write_bundle(file, documents)]
['ModelVersion/gpt2_1.json']
>>> with Bundle(file) as bundle:
...     for finding in check_bundle(bundle):
...         print(finding)
ModelVersion/gpt2_1: model_id: no ModelRef 'gpt2' in the bundle [bundle.dangling]
"""

from __future__ import annotations

from crucible_ir.interchange.bundle.archive import Bundle as Bundle
from crucible_ir.interchange.bundle.archive import write_bundle as write_bundle
from crucible_ir.interchange.bundle.checking import check_bundle as check_bundle
from crucible_ir.interchange.bundle.documents import DocumentSet as DocumentSet
from crucible_ir.interchange.bundle.findings import BundleError as BundleError
from crucible_ir.interchange.bundle.findings import BundleFinding as BundleFinding
from crucible_ir.interchange.bundle.limits import BundleLimits as BundleLimits
from crucible_ir.interchange.bundle.manifest import BundleEntry as BundleEntry
from crucible_ir.schema.references import DocumentKey as DocumentKey
