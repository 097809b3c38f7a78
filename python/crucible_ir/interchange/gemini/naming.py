"""The names of keys: Gemini's services read and write them in camelCase and in snake_case.

Only the keys of the API are renamed: schemas, arguments, labels and unknown keys stay as they are.
"""

from __future__ import annotations

import re
from typing import Any, Final

from crucible_ir.interchange.mapping.decoded import Decoded
from crucible_ir.interchange.mapping.patterns import Path

#: Why a value in a key of the other spelling is converted.
SPELLING: Final = "the name of a key in snake_case: export writes it in camelCase"


def _keys(*names: str, **nested: Any) -> dict[str, Any]:
    return {**{name: {} for name in names}, **nested}


_DATA = _keys("mimeType", "displayName", "fileUri")
_PART = _keys(
    "functionCall",
    "thoughtSignature",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "videoMetadata",
    "mediaResolution",
    inlineData=_DATA,
    fileData=_DATA,
    functionResponse=_keys(parts=[_keys(inlineData=_DATA, fileData=_DATA)]),
)
_CONTENT = _keys(parts=[_PART])
_TOOL = _keys(
    "googleSearch",
    "googleSearchRetrieval",
    "googleMaps",
    "codeExecution",
    "computerUse",
    "fileSearch",
    "urlContext",
    functionDeclarations=[_keys("parametersJsonSchema", "responseJsonSchema")],
)
_CONFIG = _keys(
    "topP",
    "topK",
    "maxOutputTokens",
    "stopSequences",
    "candidateCount",
    "presencePenalty",
    "frequencyPenalty",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "responseLogprobs",
    "speechConfig",
    "mediaResolution",
    "imageConfig",
    thinkingConfig=_keys("thinkingBudget", "thinkingLevel", "includeThoughts"),
)
_REQUEST = _keys(
    "safetySettings",
    "cachedContent",
    "modelArmorConfig",
    "serviceTier",
    contents=[_CONTENT],
    systemInstruction=_CONTENT,
    tools=[_TOOL],
    toolConfig=_keys("retrievalConfig", functionCallingConfig=_keys("allowedFunctionNames")),
    generationConfig=_CONFIG,
)
_CANDIDATE = _keys(
    "finishReason",
    "finishMessage",
    "avgLogprobs",
    "logprobsResult",
    "safetyRatings",
    "citationMetadata",
    "groundingMetadata",
    "urlContextMetadata",
    "tokenCount",
    content=_CONTENT,
)
_RESPONSE = _keys(
    "modelVersion",
    "responseId",
    "createTime",
    candidates=[_CANDIDATE],
    promptFeedback=_keys("blockReason", "blockReasonMessage", "safetyRatings"),
    usageMetadata=_keys(
        "promptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "cachedContentTokenCount",
        "toolUsePromptTokenCount",
        "totalTokenCount",
        "promptTokensDetails",
        "candidatesTokensDetails",
        "cacheTokensDetails",
        "toolUsePromptTokensDetails",
        "trafficType",
    ),
)
_RECORD = _keys(**_REQUEST, **_RESPONSE, request=_REQUEST, response=_RESPONSE)


def decode(record: Any) -> Decoded:
    """Return a record with the keys in camelCase that imports use.

    >>> decode({"usage_metadata": {"other_key": 1}}).value
    {'usageMetadata': {'other_key': 1}}
    """
    decoded = Decoded()
    decoded.value = _renamed(record, _RECORD, (), (), decoded)
    return decoded


def _renamed(value: Any, shape: Any, path: Path, place: Path, decoded: Decoded) -> Any:
    if isinstance(shape, list):
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return value
        return [
            _renamed(item, shape[0], (*path, index), (*place, index), decoded)
            for index, item in enumerate(value)
        ]
    if not shape or not isinstance(value, dict):
        return value
    camel = {_snake(name): name for name in shape}
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = camel.get(str(key), str(key))
        if name != key:
            if name in value:
                name = key
            else:
                decoded.places[(*path, name)] = (*place, key)
                decoded.rewritten[(*path, name)] = SPELLING
        # Imports leave a list with an empty tool as it is.
        is_odd = name == "tools" and isinstance(item, list) and not all(item)
        inner = None if is_odd else shape.get(name)
        result[name] = _renamed(item, inner, (*path, name), (*place, key), decoded)
    return result


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)
