"""Changes between two versions of the schema, and the release that may make each change."""

from crucible_ir.schema_changes.changes import Release as Release
from crucible_ir.schema_changes.changes import SchemaChange as SchemaChange
from crucible_ir.schema_changes.changes import SchemaChangeKind as SchemaChangeKind
from crucible_ir.schema_changes.comparing import compare as compare
from crucible_ir.schema_changes.sources import find_schema as find_schema
from crucible_ir.schema_changes.sources import read_schema as read_schema
from crucible_ir.schema_changes.versions import SchemaError as SchemaError
from crucible_ir.schema_changes.versions import SchemaVersion as SchemaVersion
