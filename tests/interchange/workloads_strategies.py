"""Strategies for objects of Kubernetes in the shape of real ones, with oddities."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def _json(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | numbers | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=6,
    )


#: Any JSON, with numbers that opaque JSON cannot have.
anything = _json(st.integers(-(2**70), 2**70) | st.floats())

#: Values of wrong types. Those that opaque JSON keeps as text would have the right type then.
odd = _json(st.integers(-(2**50), 2**50) | st.floats(allow_nan=False, allow_infinity=False))


#: Items of lists whose items are objects: one pattern cannot stand for keys and for indexes.
items: st.SearchStrategy[Any] = (
    st.none() | st.integers(-(2**50), 2**50) | st.text(max_size=5) | st.just({})
)


def fields(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects with some of the keys, whose values may be of any type."""
    return st.fixed_dictionaries({}, optional={key: value | odd for key, value in optional.items()})


names = st.sampled_from(["ranker", "Ranker_1", "a.b", "x" * 200])
numbers = st.integers(-2, 5) | st.sampled_from([2**31, 2**53 + 1, 0.5, 3.0])
texts = st.text(max_size=6)
words = st.sampled_from(["--model", "--model_id=org/m", "--model=s3://m/1", "-x", ""]) | texts
uris = st.sampled_from(
    ["s3://m/1", "hf://org/m", "https://u:secret@h/m", "m", "", "s3://" + "m" * 600]
)
variables = fields(
    name=st.sampled_from(["A", "STORAGE_URI", "HF_TOKEN", "API_KEY", "DB_PASSWORD"]),
    value=uris | st.sampled_from(["hf_" + "aB3" * 12, "not-a-secret"]),
)
containers = fields(
    name=st.sampled_from(["main", "kserve-container", "server"]),
    image=texts,
    args=st.lists(words | odd, max_size=3),
    env=st.lists(variables | items, max_size=3),
    resources=fields(limits=fields(cpu=texts), requests=anything, other=anything),
    readinessProbe=fields(httpGet=fields(path=texts, port=numbers)),
    livenessProbe=anything,
)
pods = fields(containers=st.lists(containers | items, max_size=3), serviceAccountName=texts)
strategies = fields(
    type=st.sampled_from(["RollingUpdate", "Recreate", "OnDelete"]), rollingUpdate=anything
)
conditions = fields(
    type=st.sampled_from(["Ready", "Available", "Progressing", "ReplicaFailure", "Stopped"]),
    status=st.sampled_from(["True", "False", "Unknown"]),
    reason=st.sampled_from(["NewReplicaSetAvailable", "ReplicaSetUpdated"]),
    message=texts,
)
annotation_maps = fields(
    **{
        "crucible-ir/id": st.sampled_from(["Ranker", "ns/ranker", "default/ranker", "a/b/c"]),
        "crucible-ir/model_version_id": uris,
        "crucible-ir/strategy": st.sampled_from(["canary", "rolling", "blue_green", "wave"]),
        "crucible-ir/environment": st.sampled_from(["production", "lab"]),
        "kubectl.kubernetes.io/last-applied-configuration": texts,
        "x": texts,
    }
)


def objects(
    kind: str,
    api_version: str,
    spec: st.SearchStrategy[dict[str, Any]],
    status: st.SearchStrategy[dict[str, Any]],
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects of a kind."""
    metadata = st.fixed_dictionaries(
        {"name": names},
        optional={
            "namespace": st.sampled_from(["ns", "default", ""]) | st.none(),
            "labels": fields(app=texts) | anything,
            "annotations": annotation_maps | odd,
            "creationTimestamp": st.sampled_from(
                ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05+01:00"]
            )
            | odd,
            "generation": anything,
        },
    )
    return st.fixed_dictionaries(
        {
            "apiVersion": st.just(api_version),
            "kind": st.just(kind),
            "metadata": metadata,
            "spec": spec,
        },
        optional={"status": status | anything, "extra": anything},
    )
