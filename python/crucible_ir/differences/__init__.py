"""Differences between messages: finding, applying and merging them."""

from crucible_ir.differences.applying import PatchError as PatchError
from crucible_ir.differences.applying import apply_changes as apply_changes
from crucible_ir.differences.changes import Change as Change
from crucible_ir.differences.changes import ChangeKind as ChangeKind
from crucible_ir.differences.comparing import diff as diff
from crucible_ir.differences.merging import Conflict as Conflict
from crucible_ir.differences.merging import Merge as Merge
from crucible_ir.differences.merging import merge as merge
from crucible_ir.differences.plain import ComparisonError as ComparisonError
from crucible_ir.differences.structure import ABSENT as ABSENT
