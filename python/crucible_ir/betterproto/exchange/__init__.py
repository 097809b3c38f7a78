"""The exchange for betterproto2: its messages, and async grpclib stubs of its services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    from crucible_ir.betterproto.exchange import v1 as v1
else:
    v1 = optional_module("crucible_ir.betterproto.exchange.v1", "betterproto")

from crucible_ir.betterproto.exchange.codec import LosslessCodec as LosslessCodec
