"""Comparing and merging messages."""

from crucible_ir.diffing.comparing import Change as Change
from crucible_ir.diffing.comparing import ChangeKind as ChangeKind
from crucible_ir.diffing.comparing import diff as diff
from crucible_ir.diffing.merging import Conflict as Conflict
from crucible_ir.diffing.merging import Merge as Merge
from crucible_ir.diffing.merging import merge as merge
from crucible_ir.diffing.structure import ABSENT as ABSENT
from crucible_ir.diffing.structure import ComparisonError as ComparisonError
