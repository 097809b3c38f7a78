// Command executor reports to the conformance harness how Go's protobuf, protovalidate and JCS
// libraries evaluate a payload.
package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"strings"

	"buf.build/go/protovalidate"
	"github.com/gowebpki/jcs"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	conformancev1 "github.com/north-shore-ai/crucible-ir/gen/go/crucible_ir/conformance/v1"
	// These register the message types of the payloads.
	_ "github.com/north-shore-ai/crucible-ir/gen/go/crucible_ir/exchange/v1"
	_ "github.com/north-shore-ai/crucible-ir/gen/go/crucible_ir/v1"
)

// mostMessages limits nesting as the specification requires: the root and 100 levels below it.
const mostMessages = 101

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// serve answers requests until there are no more.
func serve(in io.Reader, out io.Writer) error {
	requests := bufio.NewReader(in)
	framing := protodelim.UnmarshalOptions{MaxSize: -1}
	for {
		request := &conformancev1.Request{}
		if err := framing.UnmarshalFrom(requests, request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := protodelim.MarshalTo(out, answer(request)); err != nil {
			return err
		}
	}
}

func answer(request *conformancev1.Request) *conformancev1.Response {
	switch asked := request.GetRequest().(type) {
	case *conformancev1.Request_Describe:
		return &conformancev1.Response{Response: &conformancev1.Response_Describe{Describe: describe()}}
	case *conformancev1.Request_Evaluate:
		evaluated, err := evaluate(asked.Evaluate)
		if err != nil {
			return executorError(err)
		}
		return &conformancev1.Response{Response: &conformancev1.Response_Evaluate{Evaluate: evaluated}}
	default:
		return executorError(errors.New("the request is none that this executor knows"))
	}
}

func executorError(err error) *conformancev1.Response {
	return &conformancev1.Response{
		Response: &conformancev1.Response_ExecutorError{ExecutorError: words(err)},
	}
}

func describe() *conformancev1.DescribeResponse {
	var libraries []string
	if build, ok := debug.ReadBuildInfo(); ok {
		libraries = append(libraries, build.GoVersion)
		for _, module := range build.Deps {
			switch module.Path {
			case "google.golang.org/protobuf", "buf.build/go/protovalidate", "github.com/gowebpki/jcs":
				libraries = append(libraries, module.Path+" "+module.Version)
			}
		}
	}
	return &conformancev1.DescribeResponse{
		Implementation: strings.Join(libraries, ", "),
		Aspects: []conformancev1.Aspect{
			conformancev1.Aspect_ASPECT_BINARY,
			conformancev1.Aspect_ASPECT_JSON,
			conformancev1.Aspect_ASPECT_VIOLATIONS,
			conformancev1.Aspect_ASPECT_DIGEST,
		},
	}
}

// evaluate reads a payload and evaluates every aspect of it. Its error is a fault of the executor.
func evaluate(request *conformancev1.EvaluateRequest) (*conformancev1.EvaluateResponse, error) {
	name := protoreflect.FullName(request.GetMessageType())
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		return nil, fmt.Errorf("message type %q: %w", name, err)
	}
	message := messageType.New().Interface()
	switch payload := request.GetPayload().(type) {
	case *conformancev1.EvaluateRequest_Binary:
		err = proto.UnmarshalOptions{RecursionLimit: mostMessages}.Unmarshal(payload.Binary, message)
	case *conformancev1.EvaluateRequest_Json:
		err = protojson.UnmarshalOptions{RecursionLimit: mostMessages}.Unmarshal(payload.Json, message)
	default:
		return nil, errors.New("the format of the payload is not supported")
	}
	if err != nil {
		return &conformancev1.EvaluateResponse{
			Outcome: &conformancev1.EvaluateResponse_DecodeError{DecodeError: words(err)},
		}, nil
	}
	binary, err := proto.Marshal(message)
	if err != nil {
		return nil, err
	}
	evaluation := &conformancev1.Evaluation{Binary: binary}
	setJSONAndDigest(evaluation, message)
	setRules(evaluation, message)
	return &conformancev1.EvaluateResponse{
		Outcome: &conformancev1.EvaluateResponse_Evaluation{Evaluation: evaluation},
	}, nil
}

func setJSONAndDigest(evaluation *conformancev1.Evaluation, message proto.Message) {
	json, err := protojson.Marshal(message)
	if err != nil {
		evaluation.JsonOutcome = &conformancev1.Evaluation_JsonError{JsonError: words(err)}
		evaluation.DigestOutcome = &conformancev1.Evaluation_DigestError{DigestError: words(err)}
		return
	}
	evaluation.JsonOutcome = &conformancev1.Evaluation_Json{Json: string(json)}
	if digest, err := digest(message, json); err != nil {
		evaluation.DigestOutcome = &conformancev1.Evaluation_DigestError{DigestError: words(err)}
	} else {
		evaluation.DigestOutcome = &conformancev1.Evaluation_Digest{Digest: digest}
	}
}

// digest returns the digest of a message, given its ProtoJSON.
func digest(message proto.Message, json []byte) (string, error) {
	if err := rejectUnknownFields(message); err != nil {
		return "", err
	}
	canonical, err := jcs.Transform(json)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(canonical)), nil
}

// rejectUnknownFields returns an error that names the first unknown fields, at any depth: ProtoJSON
// would leave them out.
func rejectUnknownFields(message proto.Message) error {
	return protorange.Range(message.ProtoReflect(), func(place protopath.Values) error {
		if place.Index(-1).Step.Kind() == protopath.UnknownAccessStep {
			return fmt.Errorf("%v: a digest cannot cover unknown fields", place.Path)
		}
		return nil
	})
}

func setRules(evaluation *conformancev1.Evaluation, message proto.Message) {
	err := protovalidate.Validate(message)
	var invalid *protovalidate.ValidationError
	if err != nil && !errors.As(err, &invalid) {
		evaluation.RulesOutcome = &conformancev1.Evaluation_RulesError{RulesError: words(err)}
		return
	}
	broken := &conformancev1.BrokenRules{}
	if invalid != nil {
		for _, violation := range invalid.Violations {
			broken.Rules = append(broken.Rules, &conformancev1.BrokenRule{
				Path:   protovalidate.FieldPathString(violation.Proto.GetField()),
				RuleId: violation.Proto.GetRuleId(),
			})
		}
	}
	evaluation.RulesOutcome = &conformancev1.Evaluation_BrokenRules{BrokenRules: broken}
}

// words returns the text of an error as valid UTF-8: it may quote the payload.
func words(err error) string {
	return strings.ToValidUTF8(err.Error(), "\uFFFD")
}
