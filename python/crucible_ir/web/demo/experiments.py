"""The team's experiments, their evaluations, and requests that it keeps as examples."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.building.constructors import (
    new_backend_ref,
    new_capabilities,
    new_completion,
    new_ensemble,
    new_evaluation_result,
    new_experiment,
    new_fairness,
    new_feedback_config,
    new_generation_options,
    new_guardrail,
    new_hedging,
    new_output_spec,
    new_prompt,
    new_reliability_config,
    new_stage_def,
    new_stats,
)
from crucible_ir.web.demo.registry import (
    BASE_ENCODER,
    BASE_WRITER,
    DRAFTER,
    GOLDEN,
    NEW_ROUTER,
    OLD_ROUTER,
)
from crucible_ir.web.demo.serving import DRAFTS, ROUTER
from crucible_ir.web.demo.steps import Delete, Publish, Step, Timeline
from crucible_ir.web.demo.training import router_config

_ROUTER_BACKEND: Final[Any] = {
    "id": "router-service",
    "deployment_id": ROUTER,
    "endpoint_url": "https://models.lantern.example/v1/route",
}
_WRITER_BACKEND: Final[Any] = {
    "id": "drafter-service",
    "profile": "formal",
    "deployment_id": DRAFTS,
    "endpoint_url": "https://models.lantern.example/v1/draft",
    "options": {"temperature": 0.4, "api_key_env": "LANTERN_API_KEY"},
    "fallback": _ROUTER_BACKEND,
}
_STAGES: Final[Any] = [
    {"name": "load", "module": "lantern.stages.Load", "options": {"limit": 2_000}},
    {"name": "infer", "module": "lantern.stages.Infer", "options": {"batch_size": 64}},
    {"name": "score", "module": "lantern.stages.Score"},
    {"name": "explain", "module": "lantern.stages.Explain", "enabled": False},
]

#: The quality of the router's versions: accuracy on the golden tickets, in German and in French.
_QUALITY: Final = (
    ("ticket-router-1.1.0", 26.8, 0.8733, 0.861, 0.802),
    (OLD_ROUTER, 20.7, 0.8951, 0.887, 0.829),
    (NEW_ROUTER, 9.2, 0.9204, 0.902, 0.896),
    ("ticket-router-1.4.0-rc.1", 1.2, 0.9268, 0.911, 0.887),
)


def experiments(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield the experiments, evaluations, requests and parts of configurations."""
    yield from _experiments(times)
    yield from _evaluations(times, random.Random(seed))
    yield from _requests(times)
    yield from _parts(times)


def _experiments(times: Timeline) -> Iterator[Step]:
    quality: dict[str, Any] = {
        "id": "router-quality",
        "backend": _ROUTER_BACKEND,
        "pipeline": _STAGES,
        "experiment_type": "evaluation",
        "description": "Is every version of the router at least as good as the one before?",
        "owner": "mateo",
        "tags": ["router", "weekly"],
        "dataset": GOLDEN,
        "outputs": [{"name": "report", "formats": ["markdown", "json"], "sink": "s3"}],
        "created_at": times.ago(days=31),
    }
    yield Publish(times.ago(days=31), "mateo", new_experiment(**quality))
    quality["reliability"] = {
        "stats": {"tests": ["bootstrap"], "confidence_level": 0.95, "bootstrap_iterations": 2_000},
        "fairness": {
            "enabled": True,
            "metrics": ["equal_opportunity"],
            "group_by": "language",
            "threshold": 0.05,
        },
    }
    quality["updated_at"] = times.ago(days=8.9)
    yield Publish(times.ago(days=8.9), "lena", new_experiment(**quality))
    distillation = new_experiment(
        id="router-distillation",
        backend=_ROUTER_BACKEND,
        pipeline=_STAGES[:3],
        experiment_type="training",
        description="A student of half the size that agrees with version 1.2.0.",
        owner="mateo",
        tags=["distillation", "router"],
        training_config=router_config("router-1.3-distil-config"),
        created_at=times.ago(days=10.7),
    )
    yield Publish(times.ago(days=10.7), "mateo", distillation)
    sweep = new_experiment(
        id="router-sweep",
        backend=_ROUTER_BACKEND,
        pipeline=_STAGES[:3],
        experiment_type="ablation",
        description="Six learning rates with four batch sizes.",
        owner="mateo",
        tags=["router", "sweep"],
        metadata={"budget_gpu_hours": 8},
        created_at=times.ago(days=2),
    )
    yield Publish(times.ago(days=2), "mateo", sweep)
    drafts = new_experiment(
        id="reply-draft-quality",
        backend=_WRITER_BACKEND,
        pipeline=[*_STAGES[:2], {"name": "judge", "module": "lantern.stages.Judge"}],
        experiment_type="comparison",
        description="Do agents keep more of a draft from the fine-tuned writer?",
        owner="lena",
        tags=["reply-draft"],
        baseline=BASE_WRITER,
        reliability={
            "guardrails": {"profiles": ["strict"], "pii_detection": True, "pii_redaction": True},
            "hedging": {"strategy": "percentile", "percentile": 95, "max_hedges": 1},
        },
        created_at=times.ago(days=12.5),
    )
    yield Publish(times.ago(days=12.5), "lena", drafts)
    abandoned = new_experiment(
        id="router-rules",
        backend=_ROUTER_BACKEND,
        pipeline=_STAGES[:1],
        description="Rules in place of a model.",
        owner="priya",
    )
    yield Publish(times.ago(days=30), "priya", abandoned)
    yield Delete(times.ago(days=25), "lena", "Experiment", "router-rules")


def _evaluations(times: Timeline, chance: random.Random) -> Iterator[Step]:
    for version, days, accuracy, german, french in _QUALITY:
        for task, value, samples in (
            ("ticket-routing", accuracy, 2_000),
            ("ticket-routing-de", german, 600),
            ("ticket-routing-fr", french, 400),
        ):
            started = times.ago(days=days)
            calibration = round(0.09 - 0.06 * value + chance.uniform(0, 0.02), 4)
            result = new_evaluation_result(
                id=f"{version}/{task}",
                task=task,
                task_version="3",
                model_version_id=version,
                experiment_id="router-quality",
                dataset_ref=GOLDEN,
                sample_count=samples,
                metrics=[
                    _metric("accuracy", value, samples, better="higher"),
                    _metric("f1_macro", value - chance.uniform(0.012, 0.03), samples, "higher"),
                    {"name": "ece", "value": calibration, "higher_is_better": False},
                    {"name": "p99_ms", "value": round(chance.uniform(90, 140), 1)},
                ],
                config={"batch_size": 64, "seed": 3},
                tags=["weekly"],
                started_at=started,
                completed_at=times.ago(days=days, hours=-0.4),
            )
            yield Publish(times.ago(days=days, hours=-0.4), "trainer", result)
    diverged = new_evaluation_result(
        id="router-distil-hot/ticket-routing",
        task="ticket-routing",
        training_run_id="router-distil-hot",
        model_ref=BASE_ENCODER,
        sample_count=2_000,
        metrics=[
            {"name": "accuracy", "value": 0.125, "higher_is_better": True},
            {"name": "loss", "value": math.nan, "higher_is_better": False},
            {"name": "f1_macro", "higher_is_better": True},
        ],
        completed_at=times.ago(days=1.9),
    )
    yield Publish(times.ago(days=1.9), "trainer", diverged)
    subjects: tuple[tuple[str, dict[str, Any], float, float], ...] = (
        ("reply-draft-0.1.0", {"model_version_id": "reply-draft-0.1.0"}, 3.21, 0.311),
        (DRAFTER, {"model_version_id": DRAFTER}, 3.94, 0.358),
        ("base", {"model_ref": BASE_WRITER}, 3.02, 0.284),
    )
    for name, subject, helpful, overlap in subjects:
        result = new_evaluation_result(
            id=f"{name}/draft-helpfulness",
            task="draft-helpfulness",
            **subject,
            experiment_id="reply-draft-quality",
            sample_count=300,
            num_shots=2,
            metrics=[
                {"name": "helpfulness", "value": helpful, "stderr": 0.06, "higher_is_better": True},
                {"name": "rouge_l", "value": overlap, "stderr": 0.011, "higher_is_better": True},
                {"name": "toxicity", "value": 0.004, "higher_is_better": False},
            ],
            completed_at=times.ago(days=12.2),
            metadata={"judge": "lantern-judge-2"},
        )
        yield Publish(times.ago(days=12.2), "mateo", result)


def _metric(name: str, value: float, samples: int, better: str) -> Any:
    """Return a share of samples with its standard error."""
    return {
        "name": name,
        "value": round(value, 4),
        "stderr": round(math.sqrt(value * (1 - value) / samples), 5),
        "higher_is_better": better == "higher",
    }


#: The conversations that the team keeps: what a customer wrote, and the draft of an answer.
CONVERSATIONS: Final = (
    (
        "My invoice shows the old address. Can you send a corrected one?",
        "Of course. I have updated your address; the corrected invoice follows by e-mail today.",
    ),
    (
        "L'application se ferme quand j'ouvre les paramètres.",
        "Merci de nous l'avoir signalé. La version 5.2.1 corrige ce problème.",
    ),
    (
        "Ich möchte mein Abo zum Monatsende kündigen.",
        "Gerne: Ihr Abo endet zum Monatsende. Die Bestätigung senden wir Ihnen zu.",
    ),
    (
        "Do you offer a discount for schools?",
        "Yes, schools get 40 % off the team plan. Shall I apply it to your account?",
    ),
)


def _requests(times: Timeline) -> Iterator[Step]:
    backend = new_backend_ref(**_WRITER_BACKEND)
    yield Publish(times.ago(days=11), "priya", backend)
    yield Publish(times.ago(days=19), "priya", new_backend_ref(**_ROUTER_BACKEND))
    abilities = new_capabilities(
        backend_id="drafter-service",
        provider="lantern",
        models=["reply-draft"],
        default_model="reply-draft",
        max_tokens=1_024,
        max_context_length=32_768,
        requests_per_minute=600,
        cost_per_million_input=0.12,
        cost_per_million_output=0.48,
    )
    yield Publish(times.ago(days=11), "priya", abilities)
    for number, (question, answer) in enumerate(CONVERSATIONS, 1):
        at = times.ago(days=10 - 2 * number)
        lookup: dict[str, Any] = {
            "type": "function",
            "function": {
                "name": "find_customer",
                "parameters": {"type": "object", "properties": {"email": {"type": "string"}}},
            },
        }
        prompt = new_prompt(
            request_id=f"draft-req-{number:04d}",
            system="Draft a short, friendly answer in the language of the customer.",
            messages=[{"role": "user", "text": question}],
            tools=[lookup] if number == 1 else [],
            options={"model": "reply-draft", "temperature": 0.4, "max_tokens": 300},
            metadata={"channel": "e-mail"},
        )
        yield Publish(at, "app-eu", prompt)
        completion = new_completion(
            response_id=f"draft-res-{number:04d}",
            request_id=f"draft-req-{number:04d}",
            model="reply-draft-0.2.0",
            choices=[
                {
                    "index": 0,
                    "message": {"role": "assistant", "text": answer},
                    "finish_reason": "stop",
                }
            ],
            usage={"prompt_tokens": 61, "completion_tokens": 24, "total_tokens": 85},
            latency_ms=1_180 + 70 * number,
            time_to_first_token_ms=210,
            created_at=at,
        )
        yield Publish(at, "app-eu", completion)


def _parts(times: Timeline) -> Iterator[Step]:
    """Yield the parts of configurations that the team shares, each as a document of its own."""
    at = times.ago(days=9)
    parts: tuple[tuple[str, Message], ...] = (
        ("stages/infer", new_stage_def(name="infer", module="lantern.stages.Infer")),
        ("outputs/weekly", new_output_spec(name="weekly", formats=["html"], sink="s3")),
        (
            "writer-ensemble",
            new_ensemble(
                strategy="weighted",
                execution_mode="hedged",
                models=["reply-draft", "base"],
                weights={"reply-draft": 0.7, "base": 0.3},
                timeout_ms=4_000,
            ),
        ),
        ("patient-hedging", new_hedging(strategy="fixed", delay_ms=400, max_hedges=2)),
        ("weekly-stats", new_stats(tests=["bootstrap", "wilcoxon"], confidence_level=0.95)),
        (
            "language-fairness",
            new_fairness(
                enabled=True, metrics=["equalized_odds"], group_by="language", threshold=0.05
            ),
        ),
        ("customer-guardrail", _guardrail()),
        (
            "careful",
            new_reliability_config(
                guardrails=_guardrail(),
                hedging=new_hedging(strategy="adaptive", max_hedges=1, budget_percent=10),
                circuit_breaker={"failures": 5, "seconds": 30},
            ),
        ),
        ("short-answers", new_generation_options(temperature=0.3, max_tokens=300, stop=["--"])),
        ("router-feedback", feedback_config()),
    )
    for id_, part in parts:
        own = v1.StageDef, v1.OutputSpec
        yield Publish(at, "lena", part, None if isinstance(part, own) else id_)


def _guardrail() -> v1.Guardrail:
    return new_guardrail(
        profiles=["strict"],
        prompt_injection_detection=True,
        pii_detection=True,
        pii_redaction=True,
        fail_on_detection=False,
    )


def feedback_config() -> v1.FeedbackConfig:
    """Return how feedback on the router is kept: for a year, and without personal data."""
    return new_feedback_config(
        enabled=True,
        feedback_types=["thumbs", "flag", "label"],
        retention_days=365,
        anonymize_pii=True,
        drift_detection={"window_days": 7, "metric": "share_up", "threshold": 0.03},
    )
