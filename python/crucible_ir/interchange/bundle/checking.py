"""The check of a bundle: of its file, of each document, and of the documents together."""

from __future__ import annotations

from crucible_ir.interchange.bundle.archive import Bundle
from crucible_ir.interchange.bundle.consistency import inconsistencies
from crucible_ir.interchange.bundle.documents import content_of
from crucible_ir.interchange.bundle.findings import BundleFinding
from crucible_ir.interchange.bundle.graph import ReferenceGraph
from crucible_ir.schema.references import DocumentKey


def check_bundle(bundle: Bundle) -> list[BundleFinding]:
    """Return the problems of a bundle: of the archive, of its documents, and between them."""
    graph = ReferenceGraph()
    findings = list(bundle.findings)
    for each in bundle.read():
        findings += each.findings
        key = DocumentKey(each.entry.type, each.entry.id or each.entry.path)
        # Of several documents with one id, which is a problem itself, the first one counts.
        if each.document is not None and key not in graph.documents:
            graph.add(key, content_of(each.document))
    return findings + inconsistencies(graph)
