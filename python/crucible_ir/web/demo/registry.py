"""The team's models, datasets and model versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crucible_ir import v1
from crucible_ir.building.constructors import (
    new_dataset_ref,
    new_model_ref,
    new_model_version,
)
from crucible_ir.web.demo.steps import Publish, Step, Timeline

#: The versions of the ticket router that are compared in production.
OLD_ROUTER: Final = "ticket-router-1.2.0"
NEW_ROUTER: Final = "ticket-router-1.3.0"

#: The version of the reply drafter that a few customers try.
DRAFTER: Final = "reply-draft-0.2.0"

#: A training run from before the team had an exchange: nobody ever published it.
MISSING_RUN: Final = "router-legacy-0031"

#: A version number that two documents of the ticket router have, so that a reference to it is
#: ambiguous.
AMBIGUOUS_VERSION: Final = "1.0.0"

BASE_ENCODER: Final[Any] = {
    "id": "distilbert/distilbert-base-multilingual-cased",
    "name": "DistilBERT multilingual",
    "provider": "huggingface",
    "framework": "safetensors",
    "architecture": "transformer",
    "task": "text_classification",
}
BASE_WRITER: Final[Any] = {
    "id": "Qwen/Qwen2.5-7B-Instruct",
    "name": "Qwen2.5 7B Instruct",
    "provider": "huggingface",
    "framework": "safetensors",
    "architecture": "transformer",
    "task": "text_generation",
}
TICKETS: Final[Any] = {
    "name": "tickets-v4",
    "version": "4.2.0",
    "format": "parquet",
    "uri": "s3://lantern-data/tickets/v4",
    "digest": f"sha256:{hashlib.sha256(b'tickets-v4').hexdigest()}",
    "schema": {"text": "string", "language": "string", "queue": "string"},
}
GOLDEN: Final[Any] = {
    "name": "router-golden",
    "version": "7",
    "split": "test",
    "format": "jsonl",
    "uri": "s3://lantern-data/router-golden/7.jsonl",
    "digest": f"sha256:{hashlib.sha256(b'router-golden').hexdigest()}",
}
PAIRS: Final[Any] = {
    "name": "reply-pairs-v2",
    "version": "2.1.0",
    "format": "jsonl",
    "uri": "s3://lantern-data/reply-pairs/v2.jsonl",
}


def registry(times: Timeline) -> Iterator[Step]:
    """Yield how the models, datasets and versions came to be."""
    yield from _datasets(times)
    yield from _models(times)
    yield from _routers(times)
    yield from _others(times)


def _datasets(times: Timeline) -> Iterator[Step]:
    at = times.ago(days=41)
    old = {**TICKETS, "version": "4.0.0", "digest": f"sha256:{hashlib.sha256(b'4.0').hexdigest()}"}
    yield Publish(at, "mateo", new_dataset_ref(**old))
    for fields in (GOLDEN, PAIRS):
        yield Publish(at, "mateo", new_dataset_ref(**fields))
    massive = new_dataset_ref(
        name="AmazonScience/massive", provider="huggingface", split="validation", subset="de-DE"
    )
    yield Publish(times.ago(days=34), "lena", massive)
    yield Publish(times.ago(days=12), "mateo", new_dataset_ref(**TICKETS))


def _models(times: Timeline) -> Iterator[Step]:
    at = times.ago(days=40, hours=3)
    for fields in (BASE_ENCODER, BASE_WRITER):
        yield Publish(at, "lena", new_model_ref(**fields))
    embedder = new_model_ref(
        id="ticket-embedder",
        name="Ticket embedder",
        provider="s3",
        framework="onnx",
        architecture="transformer",
        task="embedding",
        tags=["search"],
        aliases={"champion": "ticket-embedder-2.0.0"},
    )
    yield Publish(at, "lena", embedder)
    drafter = new_model_ref(
        id="reply-draft",
        name="Reply drafter",
        provider="s3",
        framework="safetensors",
        architecture="transformer",
        task="text_generation",
        tags=["beta", "generation"],
        aliases={"beta": DRAFTER},
    )
    yield Publish(at, "lena", drafter)
    yield Publish(at, "lena", _router({"champion": "ticket-router-1.1.0"}))
    aliases = {"champion": OLD_ROUTER, "previous": "ticket-router-1.1.0"}
    yield Publish(times.ago(days=19, hours=2), "lena", _router(aliases))
    aliases = {"champion": NEW_ROUTER, "previous": OLD_ROUTER}
    yield Publish(times.ago(days=1, hours=1), "lena", _router(aliases))


def _router(aliases: Mapping[str, str]) -> v1.ModelRef:
    return new_model_ref(
        id="ticket-router",
        name="Ticket router",
        provider="s3",
        framework="pytorch",
        architecture="transformer",
        task="text_classification",
        tags=["production", "tickets"],
        aliases=aliases,
        metadata={"team": "support-ml", "queues": 8, "languages": ["de", "en", "fr"]},
    )


def _routers(times: Timeline) -> Iterator[Step]:
    """Yield the versions of the ticket router, each with its way through the stages."""
    first: dict[str, Any] = {
        "version": AMBIGUOUS_VERSION,
        "training_run_id": MISSING_RUN,
        "description": "The first router, trained before the team had an exchange.",
    }
    yield from _stages(
        times, "ticket-router-1.0.0", first, {"accuracy": 0.8412, "f1_macro": 0.7981}, 40, 38, 27
    )
    # The same version number as the document that it was made from.
    small = {
        "version": AMBIGUOUS_VERSION,
        "sources": [{"model_version_id": "ticket-router-1.0.0", "relation": "quantized"}],
        "description": "1.0.0 with weights of eight bits, for the machines of the edge.",
    }
    yield from _stages(
        times, "ticket-router-1.0.0-int8", small, {"accuracy": 0.8325, "f1_macro": 0.7844}, 37, 36
    )
    second = {
        "version": "1.1.0",
        "parent_version": AMBIGUOUS_VERSION,
        "training_run_id": "router-1.1-base",
        "description": "Trained on the third collection of tickets.",
    }
    yield from _stages(
        times, "ticket-router-1.1.0", second, {"accuracy": 0.8733, "f1_macro": 0.8402}, 29, 27, 19
    )
    third = {
        "version": "1.2.0",
        "parent_version": "ticket-router-1.1.0",
        "training_run_id": "router-1.2-augmented",
        "description": "With paraphrased tickets for the rare queues.",
    }
    yield from _stages(times, OLD_ROUTER, third, {"accuracy": 0.8951, "f1_macro": 0.8719}, 21, 19.1)
    fourth = {
        "version": "1.3.0",
        "parent_version": OLD_ROUTER,
        "training_run_id": "router-1.3-distil",
        "sources": [{"model_version_id": OLD_ROUTER, "relation": "distilled"}],
        "description": "Distilled over 100,000 steps; better on French, slower at first use.",
    }
    yield from _stages(
        times, NEW_ROUTER, fourth, {"accuracy": 0.9204, "f1_macro": 0.9037}, 9.5, 1.05
    )
    candidate = {
        "version": "1.4.0-rc.1",
        "parent_version": NEW_ROUTER,
        "training_run_id": "router-sweep-17",
        "description": "The best of the sweep over learning rates and batch sizes.",
    }
    yield from _stages(
        times, "ticket-router-1.4.0-rc.1", candidate, {"accuracy": 0.9268, "f1_macro": 0.9102}, 1.4
    )


def _stages(
    times: Timeline,
    id_: str,
    fields: Mapping[str, Any],
    metrics: Mapping[str, float],
    made: float,
    promoted: float | None = None,
    archived: float | None = None,
) -> Iterator[Step]:
    """Yield the revisions of a version of the ticket router.

    Args:
        times: The times of the story.
        id_: The id of the version.
        fields: Its own fields.
        metrics: Its quality, which is measured after the first revision.
        made: How many days ago it was made; three hours later it was evaluated.
        promoted: How many days ago it went into production; ``None`` if it did not.
        archived: How many days ago it was archived; ``None`` if it is in use.
    """
    common = {
        "id": id_,
        "model_id": "ticket-router",
        **_files(f"s3://lantern-models/ticket-router/{id_}/model.safetensors", 541_327_104),
        "created_at": times.ago(days=made),
        "created_by": "trainer",
        **fields,
    }
    yield Publish(times.ago(days=made), "trainer", new_model_version(**common))
    evaluated = {**common, "metrics": metrics, "stage": "staging", "tags": ["evaluated"]}
    yield Publish(times.ago(days=made, hours=-3), "mateo", new_model_version(**evaluated))
    if promoted is not None:
        live = {**evaluated, "stage": "production"}
        yield Publish(times.ago(days=promoted), "lena", new_model_version(**live))
    if archived is not None:
        gone = {**evaluated, "stage": "archived"}
        yield Publish(times.ago(days=archived), "lena", new_model_version(**gone))


def _files(uri: str, size: int) -> dict[str, Any]:
    artifact = {
        "uri": uri,
        "name": uri.rpartition("/")[2],
        "digest": f"sha256:{hashlib.sha256(uri.encode()).hexdigest()}",
        "size_bytes": size,
        "media_type": "application/octet-stream",
    }
    return {"artifact_uri": uri, "artifacts": [artifact]}


def _others(times: Timeline) -> Iterator[Step]:
    """Yield the versions of the other models."""
    made = times.ago(days=33)
    embedder = new_model_version(
        id="ticket-embedder-2.0.0",
        model_id="ticket-embedder",
        version="2.0.0",
        stage="production",
        metrics={"recall_at_10": 0.871, "mrr": 0.642},
        created_at=made,
        created_by="lena",
        **_files("s3://lantern-models/ticket-embedder/2.0.0/model.onnx", 118_489_600),
    )
    yield Publish(made, "lena", embedder)
    made = times.ago(days=24)
    first = new_model_version(
        id="reply-draft-0.1.0",
        model_id="reply-draft",
        version="0.1.0",
        stage="archived",
        metrics={"helpfulness": 3.21, "rouge_l": 0.311},
        created_at=made,
        created_by="mateo",
        **_files("s3://lantern-models/reply-draft/0.1.0/adapter.safetensors", 80_740_352),
    )
    yield Publish(made, "mateo", first)
    made = times.ago(days=13)
    fields: dict[str, Any] = {
        "id": DRAFTER,
        "model_id": "reply-draft",
        "version": "0.2.0",
        "training_run_id": "reply-draft-lora-06",
        "parent_version": "reply-draft-0.1.0",
        "sources": [{"model_version_id": "reply-draft-0.1.0", "relation": "fine_tuned"}],
        "metrics": {"helpfulness": 3.94, "rouge_l": 0.358},
        "other_metrics": {"style": "formal", "reviewed": None},
        "created_at": made,
        "created_by": "trainer",
        **_files("s3://lantern-models/reply-draft/0.2.0/adapter.safetensors", 80_740_352),
    }
    yield Publish(made, "trainer", new_model_version(**fields))
    fields |= {"stage": "staging", "description": "For customers who asked for drafts."}
    yield Publish(times.ago(days=11), "mateo", new_model_version(**fields))
