// Command validator serves crucible_ir.exchange.v1.ValidationService with Go's own libraries, for
// messages in binary and in ProtoJSON. It stops at the end of its standard input.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	exchangev1 "github.com/north-shore-ai/crucible-ir/gen/go/crucible_ir/exchange/v1"
	_ "github.com/north-shore-ai/crucible-ir/gen/go/crucible_ir/v1" // registers the messages
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(validateRequest))
	exchangev1.RegisterValidationServiceServer(server, validationServer{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.GracefulStop()
	}()
	fmt.Printf("listening on %s\n", listener.Addr())
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}

// validateRequest rejects requests that break a rule of the schema.
func validateRequest(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
) (any, error) {
	broken, err := brokenRules(request.(proto.Message))
	if err != nil {
		return nil, err
	}
	if len(broken) > 0 {
		return nil, rejection(broken)
	}
	return handle(ctx, request)
}

type validationServer struct {
	exchangev1.UnimplementedValidationServiceServer
}

// Validate reports whether bytes are a valid message. It has no lints.
func (validationServer) Validate(
	_ context.Context, request *exchangev1.ValidateRequest,
) (*exchangev1.ValidateResponse, error) {
	message, err := newMessage(request.GetType())
	if err != nil {
		return nil, err
	}
	format, err := formatOf("form", request.GetForm())
	if err != nil {
		return nil, err
	}
	if err := format.read(request.GetContent(), message); err != nil {
		failure := &exchangev1.ReadFailure{Message: words(err)}
		return &exchangev1.ValidateResponse{Failure: failure}, nil
	}
	broken, err := brokenRules(message)
	if err != nil {
		return nil, err
	}
	return &exchangev1.ValidateResponse{Valid: len(broken) == 0, Violations: broken}, nil
}

// Convert writes a message in the other format.
func (validationServer) Convert(
	_ context.Context, request *exchangev1.ConvertRequest,
) (*exchangev1.ConvertResponse, error) {
	message, err := newMessage(request.GetType())
	if err != nil {
		return nil, err
	}
	source, err := formatOf("source_form", request.GetSourceForm())
	if err != nil {
		return nil, err
	}
	target, err := formatOf("target_form", request.GetTargetForm())
	if err != nil {
		return nil, err
	}
	if err := source.read(request.GetContent(), message); err != nil {
		return nil, fieldError("content", "content.readable", words(err))
	}
	if !request.GetAllowInvalid() {
		broken, err := brokenRules(message)
		if err != nil {
			return nil, err
		}
		if len(broken) > 0 {
			return nil, rejection(broken)
		}
	}
	content, err := target.write(message)
	if err != nil {
		return nil, fieldError("content", "content.writable", words(err))
	}
	return &exchangev1.ConvertResponse{Content: content}, nil
}

// format is a way to read and write messages.
type format struct {
	read  func([]byte, proto.Message) error
	write func(proto.Message) ([]byte, error)
}

// mostMessages limits nesting as the specification requires: the root and 100 levels below it.
const mostMessages = 101

var formats = map[exchangev1.Form]format{
	exchangev1.Form_FORM_BINARY: {
		proto.UnmarshalOptions{RecursionLimit: mostMessages}.Unmarshal, proto.Marshal,
	},
	exchangev1.Form_FORM_JSON: {
		protojson.UnmarshalOptions{RecursionLimit: mostMessages}.Unmarshal, protojson.Marshal,
	},
}

func formatOf(field string, requested exchangev1.Form) (format, error) {
	known, ok := formats[requested]
	if !ok {
		return format{}, fieldError(field, "form.known", fmt.Sprintf("%v is not supported", requested))
	}
	return known, nil
}

// newMessage returns an empty message of the IR by its short name.
func newMessage(name string) (proto.Message, error) {
	full := protoreflect.FullName("crucible_ir.v1").Append(protoreflect.Name(name))
	found, err := protoregistry.GlobalTypes.FindMessageByName(full)
	if err != nil {
		return nil, fieldError("type", "type.known", fmt.Sprintf("unknown message type %q", name))
	}
	return found.New().Interface(), nil
}

// brokenRules returns the rules that a message breaks.
func brokenRules(message proto.Message) ([]*exchangev1.Violation, error) {
	err := protovalidate.Validate(message)
	if err == nil {
		return nil, nil
	}
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return nil, status.Error(codes.Internal, "the rules could not be evaluated")
	}
	var broken []*exchangev1.Violation
	for _, violation := range invalid.Violations {
		broken = append(broken, &exchangev1.Violation{
			Path:    protovalidate.FieldPathString(violation.Proto.GetField()),
			RuleId:  violation.Proto.GetRuleId(),
			Message: violation.Proto.GetMessage(),
		})
	}
	return broken, nil
}

func fieldError(field, ruleID, description string) error {
	return rejection([]*exchangev1.Violation{{Path: field, RuleId: ruleID, Message: description}})
}

// rejection returns an error with details on each broken rule.
func rejection(broken []*exchangev1.Violation) error {
	details := &errdetails.BadRequest{}
	for _, violation := range broken {
		details.FieldViolations = append(details.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field:       violation.GetPath(),
			Description: violation.GetMessage(),
			Reason:      violation.GetRuleId(),
		})
	}
	first := fmt.Sprintf("%s: %s", broken[0].GetPath(), broken[0].GetMessage())
	rejected, err := status.New(codes.InvalidArgument, first).WithDetails(details)
	if err != nil {
		return status.Error(codes.Internal, "the details could not be written")
	}
	return rejected.Err()
}

// words returns the text of an error as valid UTF-8: it may quote the content.
func words(err error) string {
	return strings.ToValidUTF8(err.Error(), "\uFFFD")
}
