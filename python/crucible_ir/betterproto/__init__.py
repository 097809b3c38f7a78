"""The messages as dataclasses of betterproto2, and conversion from and to protobuf messages.

Requires the extra ``crucible-ir[betterproto]``. No other package imports this one. The messages are
in `crucible_ir.betterproto.v1`; those of the exchange, with async stubs of its services, in
`crucible_ir.betterproto.exchange.v1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    from crucible_ir.betterproto import v1 as v1
else:
    # Importing any module of this package first runs this line, which names a missing extra.
    v1 = optional_module("crucible_ir.betterproto.v1", "betterproto")

from crucible_ir.betterproto.conversion import from_betterproto as from_betterproto
from crucible_ir.betterproto.conversion import to_betterproto as to_betterproto
from crucible_ir.betterproto.generated.google.protobuf import ListValue as ListValue
from crucible_ir.betterproto.generated.google.protobuf import NullValue as NullValue
from crucible_ir.betterproto.generated.google.protobuf import Struct as Struct
from crucible_ir.betterproto.generated.google.protobuf import Value as Value
