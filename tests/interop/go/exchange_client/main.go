// Command exchange_client sends a document and feedback through an exchange, and prints the
// responses as JSON for the tests.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	exchangev1 "github.com/north-shore-ai/crucible-ir/gen/go/crucible_ir/exchange/v1"
	irv1 "github.com/north-shore-ai/crucible-ir/gen/go/crucible_ir/v1"
)

// report is the output for the tests. Responses are ProtoJSON.
type report struct {
	Published []json.RawMessage    `json:"published"`
	Got       json.RawMessage      `json:"got"`
	Watched   []json.RawMessage    `json:"watched"`
	Ingested  []json.RawMessage    `json:"ingested"`
	Rejected  map[string]rejection `json:"rejected"`
}

// rejection is an error with its typed details.
type rejection struct {
	Code          string         `json:"code"`
	BrokenRules   []brokenRule   `json:"broken_rules,omitempty"`
	Preconditions []precondition `json:"preconditions,omitempty"`
	Resource      *resource      `json:"resource,omitempty"`
	Reason        string         `json:"reason,omitempty"`
}

type brokenRule struct {
	Field  string `json:"field"`
	RuleID string `json:"rule_id"`
}

type precondition struct {
	Type    string `json:"type"`
	Subject string `json:"subject"`
}

type resource struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: exchange_client ADDRESS")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	report, err := exchange(ctx, os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}

func exchange(ctx context.Context, address string) (*report, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	exchange := exchangev1.NewExchangeServiceClient(connection)
	report := &report{}
	first, err := report.publish(ctx, exchange)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	got, err := exchange.Get(ctx, &exchangev1.GetRequest{Type: "ModelVersion", Id: "go_1"})
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	report.Got = protoJSON(got)
	if err := report.watch(ctx, exchange, first.GetRecord()); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if err := report.ingest(ctx, exchangev1.NewFeedbackServiceClient(connection)); err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	report.reject(ctx, exchange, first.GetRecord())
	return report, nil
}

// publish stores a version and then promotes it, and returns the first answer.
func (r *report) publish(
	ctx context.Context, exchange exchangev1.ExchangeServiceClient,
) (*exchangev1.PublishResponse, error) {
	version := modelVersion()
	first, err := exchange.Publish(ctx, publication(version, ""))
	if err != nil {
		return nil, err
	}
	version.StageKind = &irv1.ModelVersion_Stage{Stage: irv1.ModelStage_MODEL_STAGE_PRODUCTION}
	second, err := exchange.Publish(ctx, publication(version, first.GetRecord().GetEtag()))
	if err != nil {
		return nil, err
	}
	r.Published = []json.RawMessage{protoJSON(first), protoJSON(second)}
	return first, nil
}

// watch receives both publications.
func (r *report) watch(
	ctx context.Context, exchange exchangev1.ExchangeServiceClient, first *exchangev1.Record,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := exchange.Watch(ctx, &exchangev1.WatchRequest{
		AfterSequence:    proto.Int64(first.GetSequence() - 1),
		Types:            []string{first.GetType()},
		IncludeDocuments: true,
	})
	if err != nil {
		return err
	}
	for len(r.Watched) < 2 {
		event, err := stream.Recv()
		if err != nil {
			return err
		}
		if event.GetHeartbeat() == nil {
			r.Watched = append(r.Watched, protoJSON(event))
		}
	}
	return nil
}

// ingest hands over two batches, with a duplicate and an event that breaks a rule.
func (r *report) ingest(ctx context.Context, feedback exchangev1.FeedbackServiceClient) error {
	stream, err := feedback.Ingest(ctx)
	if err != nil {
		return err
	}
	batches := [][]*irv1.FeedbackEvent{
		{{Id: "go_a", LatencyMs: proto.Int32(12)}, {Id: "go_b"}, {Id: "go_a"}},
		{{Id: "go_c", LatencyMs: proto.Int32(-1)}, {Id: "go_d"}},
	}
	for number, events := range batches {
		request := &exchangev1.IngestRequest{BatchId: int64(number), Events: events}
		if err := stream.Send(request); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		acknowledged, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r.Ingested = append(r.Ingested, protoJSON(acknowledged))
	}
}

// reject sends requests that an exchange rejects.
func (r *report) reject(
	ctx context.Context, exchange exchangev1.ExchangeServiceClient, outdated *exchangev1.Record,
) {
	broken := modelVersion()
	broken.ModelId, broken.Version = "", "1.2"
	_, invalid := exchange.Publish(ctx, publication(broken, ""))
	_, stale := exchange.Publish(ctx, publication(modelVersion(), outdated.GetEtag()))
	_, missing := exchange.Get(ctx, &exchangev1.GetRequest{Type: "ModelVersion", Id: "go_2"})
	r.Rejected = map[string]rejection{
		"invalid": rejectionOf(invalid),
		"stale":   rejectionOf(stale),
		"missing": rejectionOf(missing),
	}
}

// rejectionOf reads the typed details of an error.
func rejectionOf(err error) rejection {
	read := rejection{Code: status.Code(err).String()}
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				read.BrokenRules = append(
					read.BrokenRules, brokenRule{violation.GetField(), violation.GetReason()},
				)
			}
		case *errdetails.PreconditionFailure:
			for _, violation := range detail.GetViolations() {
				read.Preconditions = append(
					read.Preconditions, precondition{violation.GetType(), violation.GetSubject()},
				)
			}
		case *errdetails.ResourceInfo:
			read.Resource = &resource{detail.GetResourceType(), detail.GetResourceName()}
		case *errdetails.ErrorInfo:
			read.Reason = detail.GetReason()
		}
	}
	return read
}

func modelVersion() *irv1.ModelVersion {
	return &irv1.ModelVersion{
		Id:        "go_1",
		ModelId:   "llama",
		Version:   "1.2.0",
		StageKind: &irv1.ModelVersion_CustomStage{CustomStage: "canary"},
		Metrics:   map[string]float64{"accuracy": 0.93},
	}
}

// publication returns a request to store a version, optionally only over the revision of an etag.
func publication(version *irv1.ModelVersion, etag string) *exchangev1.PublishRequest {
	request := &exchangev1.PublishRequest{Document: &irv1.Document{
		IrVersion: "0.3.0",
		Content:   &irv1.Document_ModelVersion{ModelVersion: version},
	}}
	if etag != "" {
		request.Etag = &etag
	}
	return request
}

func protoJSON(message proto.Message) json.RawMessage {
	text, err := protojson.Marshal(message)
	if err != nil {
		panic(err)
	}
	return text
}
