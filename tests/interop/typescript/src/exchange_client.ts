// Sends a model version and feedback events through an exchange, given its URL and a protocol, and
// prints the response to each step as one JSON object.
import { create, toJson, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import {
  ChangeSchema,
  ExchangeService,
  FeedbackService,
  GetResponseSchema,
  IngestRequestSchema,
  IngestResponseSchema,
  PublishResponseSchema,
  type Change,
} from "crucible-ir/exchange/v1";
import {
  DocumentSchema,
  FeedbackType,
  ModelStage,
  ModelVersionSchema,
  type Document,
} from "crucible-ir/v1";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
} from "crucible-ir/google/rpc";

const [baseUrl, protocol] = process.argv.slice(2);
if (baseUrl === undefined || protocol === undefined) {
  throw new Error("usage: exchange_client.js URL grpc|connect-json|connect-proto");
}
const transport =
  protocol === "grpc"
    ? createGrpcTransport({ baseUrl })
    : createConnectTransport({
        baseUrl,
        httpVersion: "1.1",
        useBinaryFormat: protocol === "connect-proto",
        useHttpGet: true,
      });
const exchange = createClient(ExchangeService, transport);
const feedback = createClient(FeedbackService, transport);

const ID = { type: "ModelVersion", id: "llama_mmlu_3" };

function modelVersion(fields: MessageInitShape<typeof ModelVersionSchema>): Document {
  const value = { id: ID.id, modelId: "llama", version: "1.0.0", ...fields };
  return create(DocumentSchema, {
    irVersion: "0.3.0",
    content: { case: "modelVersion", value },
  });
}

const staging = modelVersion({
  metrics: { accuracy: 0.75, loss: Number.NaN },
  options: { notes: ["first", null], limit: 3 },
  stageKind: { case: "stage", value: ModelStage.STAGING },
});
const production = modelVersion({ stageKind: { case: "stage", value: ModelStage.PRODUCTION } });

/** Publishes a second revision during a watch that began before the first one. */
async function watched(): Promise<Change[]> {
  const changes: Change[] = [];
  const watching = new AbortController();
  const request = { afterSequence: 0n, types: [ID.type], includeDocuments: true };
  const stream = exchange.watch(request, { signal: watching.signal });
  for await (const { event } of stream) {
    if (event.case !== "change") {
      continue;
    }
    changes.push(event.value);
    if (changes.length === 2) {
      break;
    }
    await exchange.publish({ document: production, etag: event.value.record?.etag });
  }
  watching.abort();
  return changes;
}

/** Two batches; the second repeats an event, and contains two that break rules. */
async function* batches(): AsyncIterable<MessageInitShape<typeof IngestRequestSchema>> {
  const feedbackTypeKind = { case: "feedbackType", value: FeedbackType.RATING } as const;
  yield {
    batchId: 1n,
    events: [
      { id: "e1", deploymentId: "d1", latencyMs: 0, feedbackTypeKind },
      { id: "e2", feedbackValue: { kind: { case: "numberValue", value: 4.5 } } },
    ],
  };
  yield { batchId: 2n, events: [{ id: "e1" }, { id: "" }, { id: "e3", latencyMs: -1 }] };
}

async function ingested() {
  const acknowledgements = [];
  for await (const acknowledgement of feedback.ingest(batches())) {
    acknowledgements.push(toJson(IngestResponseSchema, acknowledgement));
  }
  return acknowledgements;
}

async function rejected(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(
    () => Promise.reject(new Error("the exchange did not reject it")),
    (reason: unknown) => ConnectError.from(reason),
  );
}

async function invalidDocument() {
  const document = modelVersion({ modelId: "", version: "1" });
  const error = await rejected(exchange.publish({ document }));
  return {
    code: Code[error.code],
    violations: error
      .findDetails(BadRequestSchema)
      .flatMap((request) => request.fieldViolations)
      .map(({ field, reason }) => ({ field, reason })),
  };
}

async function staleEtag() {
  const error = await rejected(exchange.publish({ document: staging, etag: "stale" }));
  return {
    code: Code[error.code],
    violations: error
      .findDetails(PreconditionFailureSchema)
      .flatMap((failure) => failure.violations)
      .map(({ type, subject }) => ({ type, subject })),
    latest: error.findDetails(ErrorInfoSchema).map(({ metadata }) => metadata["latest"]),
  };
}

async function missingDocument() {
  const error = await rejected(exchange.get({ ...ID, id: "never_published" }));
  return {
    code: Code[error.code],
    resources: error
      .findDetails(ResourceInfoSchema)
      .map(({ resourceType, resourceName }) => ({ resourceType, resourceName })),
  };
}

const story = {
  published: toJson(PublishResponseSchema, await exchange.publish({ document: staging, etag: "" })),
  repeated: toJson(PublishResponseSchema, await exchange.publish({ document: staging })),
  got: toJson(GetResponseSchema, await exchange.get(ID)),
  watched: (await watched()).map((change) => toJson(ChangeSchema, change)),
  ingested: await ingested(),
  invalidDocument: await invalidDocument(),
  staleEtag: await staleEtag(),
  missingDocument: await missingDocument(),
};
console.log(JSON.stringify(story));
