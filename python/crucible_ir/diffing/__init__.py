"""Differences between messages: finding, applying and merging them."""

from crucible_ir.diffing.applying import PatchError as PatchError
from crucible_ir.diffing.applying import apply_changes as apply_changes
from crucible_ir.diffing.changes import Change as Change
from crucible_ir.diffing.changes import ChangeKind as ChangeKind
from crucible_ir.diffing.comparing import diff as diff
from crucible_ir.diffing.json_values import ComparisonError as ComparisonError
from crucible_ir.diffing.merging import Conflict as Conflict
from crucible_ir.diffing.merging import Merge as Merge
from crucible_ir.diffing.merging import merge as merge
from crucible_ir.diffing.structure import ABSENT as ABSENT
