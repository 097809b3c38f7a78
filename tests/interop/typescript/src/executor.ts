// Answers the conformance protocol with protobuf-es, protovalidate-es and canonicalize.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  create,
  createRegistry,
  fromBinary,
  fromJsonString,
  toBinary,
  toJson,
  toJsonString,
  type DescFile,
  type DescMessage,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { sizeDelimitedDecodeStream, sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { createValidator } from "@bufbuild/protovalidate";
import canonicalize from "canonicalize";
import {
  Aspect,
  EvaluationSchema,
  RequestSchema,
  ResponseSchema,
  type DescribeResponseSchema,
  type EvaluateRequest,
  type EvaluateResponseSchema,
  type Request,
} from "crucible-ir/conformance/v1";
import {
  file_crucible_ir_exchange_v1_exchange_service,
  file_crucible_ir_exchange_v1_feedback_service,
  file_crucible_ir_exchange_v1_validation_service,
} from "crucible-ir/exchange/v1";

type Evaluation = MessageInitShape<typeof EvaluationSchema>;
type Outcome = MessageInitShape<typeof EvaluateResponseSchema>;

// A message nests up to 100 levels below its root; protobuf-es counts the root.
const READING = { recursionLimit: 101 };
const LIBRARIES = ["@bufbuild/protobuf", "@bufbuild/protovalidate", "canonicalize"];

// The services use, one file or another, every message of the schema.
const registry = createRegistry(
  ...withImports([
    file_crucible_ir_exchange_v1_exchange_service,
    file_crucible_ir_exchange_v1_feedback_service,
    file_crucible_ir_exchange_v1_validation_service,
  ]),
);
const validator = createValidator();

function withImports(files: readonly DescFile[]): DescFile[] {
  return files.flatMap((file) => [file, ...withImports(file.dependencies)]);
}

function answer({ request }: Request): MessageInitShape<typeof ResponseSchema>["response"] {
  try {
    switch (request.case) {
      case "describe":
        return { case: "describe", value: description() };
      case "evaluate":
        return { case: "evaluate", value: evaluate(request.value) };
      default:
        throw new Error("unknown request");
    }
  } catch (error) {
    return { case: "executorError", value: String(error) };
  }
}

function description(): MessageInitShape<typeof DescribeResponseSchema> {
  const path = new URL("../../package.json", import.meta.url);
  const { dependencies } = JSON.parse(readFileSync(path, "utf8"));
  return {
    implementation: LIBRARIES.map((name) => `${name} ${dependencies[name]}`).join(", "),
    aspects: [Aspect.BINARY, Aspect.JSON, Aspect.VIOLATIONS, Aspect.DIGEST],
  };
}

function evaluate({ messageType, payload }: EvaluateRequest): Outcome {
  const schema = registry.getMessage(messageType);
  if (schema === undefined) {
    throw new Error(`unknown message type ${messageType}`);
  }
  let message: Message;
  try {
    message = decode(schema, payload);
  } catch (error) {
    return { outcome: { case: "decodeError", value: String(error) } };
  }
  const evaluation = {
    binary: toBinary(schema, message),
    jsonOutcome: jsonOutcome(schema, message),
    rulesOutcome: rulesOutcome(schema, message),
    digestOutcome: digestOutcome(schema, message),
  };
  return { outcome: { case: "evaluation", value: evaluation } };
}

function decode(schema: DescMessage, payload: EvaluateRequest["payload"]): Message {
  switch (payload.case) {
    case "binary":
      return fromBinary(schema, payload.value, READING);
    case "json": {
      const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      return fromJsonString(schema, utf8.decode(payload.value), READING);
    }
    default:
      throw new Error("no payload");
  }
}

function rulesOutcome(schema: DescMessage, message: Message): Evaluation["rulesOutcome"] {
  const result = validator.validate(schema, message);
  if (result.kind === "error") {
    return { case: "rulesError", value: String(result.error) };
  }
  const rules = (result.violations ?? []).map(({ field, ruleId }) => ({
    path: pathToString(field),
    ruleId,
  }));
  return { case: "brokenRules", value: { rules } };
}

function jsonOutcome(schema: DescMessage, message: Message): Evaluation["jsonOutcome"] {
  try {
    return { case: "json", value: toJsonString(schema, message) };
  } catch (error) {
    return { case: "jsonError", value: String(error) };
  }
}

function digestOutcome(schema: DescMessage, message: Message): Evaluation["digestOutcome"] {
  try {
    return { case: "digest", value: digest(schema, message) };
  } catch (error) {
    return { case: "digestError", value: String(error) };
  }
}

function digest(schema: DescMessage, message: Message): string {
  if (hasUnknownFields(schema, message)) {
    throw new Error("the message has unknown fields");
  }
  const canonical = canonicalize(toJson(schema, message));
  if (canonical === undefined) {
    throw new Error("the message has no canonical form");
  }
  return `sha256:${createHash("sha256").update(canonical, "utf8").digest("hex")}`;
}

function hasUnknownFields(schema: DescMessage, message: Message): boolean {
  const known = toBinary(schema, message, { writeUnknownFields: false });
  return known.length < toBinary(schema, message).length;
}

for await (const request of sizeDelimitedDecodeStream(RequestSchema, process.stdin)) {
  const response = create(ResponseSchema, { response: answer(request) });
  process.stdout.write(sizeDelimitedEncode(ResponseSchema, response));
}
