"""The lints, one module per subject. Importing a module registers its lints."""

from crucible_ir.linting.lints import aliases as aliases
from crucible_ir.linting.lints import deployment as deployment
from crucible_ir.linting.lints import evaluation as evaluation
from crucible_ir.linting.lints import experiment as experiment
from crucible_ir.linting.lints import feedback as feedback
from crucible_ir.linting.lints import metrics as metrics
from crucible_ir.linting.lints import model as model
from crucible_ir.linting.lints import opaque as opaque
from crucible_ir.linting.lints import prompt as prompt
from crucible_ir.linting.lints import reliability as reliability
from crucible_ir.linting.lints import text as text
from crucible_ir.linting.lints import timestamps as timestamps
from crucible_ir.linting.lints import traffic as traffic
from crucible_ir.linting.lints import training as training
from crucible_ir.linting.lints import vocabulary as vocabulary
