// Responds to the conformance harness: reads requests up to the end of standard input.

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "crucible_ir/conformance/v1/conformance.pb.h"
#include "crucible_ir/v1/document.pb.h"

namespace {

namespace conformance = crucible_ir::conformance::v1;
namespace protobuf = google::protobuf;

void Describe(conformance::DescribeResponse& description) {
  description.set_implementation("protobuf for C++ " LIBRARY_VERSION);
  description.add_aspects(conformance::ASPECT_BINARY);
  description.add_aspects(conformance::ASPECT_JSON);
}

// Returns the library's text as ASCII: it may quote the payload, which need not be UTF-8.
std::string Words(const protobuf::util::Status& status) {
  auto words = status.ToString();
  std::replace_if(
      words.begin(), words.end(), [](unsigned char byte) { return byte > 0x7f; }, '?');
  return words;
}

// The deepest that the JSON of a message can be: 101 messages, with a list and an object to each.
constexpr int kDeepest = 2 * 101;

// Returns whether JSON is deeper than that of any message. The library reads lists of any depth, in
// time that grows with the square of it.
bool IsTooDeep(const std::string& json) {
  int depth = 0;
  char quote = '\0';
  for (std::size_t place = 0; place < json.size(); ++place) {
    const char character = json[place];
    if (quote != '\0') {
      if (character == '\\') {
        ++place;
      } else if (character == quote) {
        quote = '\0';
      }
    } else if (character == '"' || character == '\'') {
      quote = character;
    } else if (character == '{' || character == '[') {
      if (++depth > kDeepest) return true;
    } else if (character == '}' || character == ']') {
      --depth;
    }
  }
  return false;
}

// Returns why a payload cannot be read into a message, or nothing when it was read.
std::optional<std::string> Read(const conformance::EvaluateRequest& request,
                                protobuf::Message& message) {
  if (request.has_json()) {
    if (IsTooDeep(request.json())) return "the text nests too deep";
    const auto status = protobuf::util::JsonStringToMessage(request.json(), &message);
    if (!status.ok()) return Words(status);
  } else if (!message.ParseFromString(request.binary())) {
    return "the bytes are no " + request.message_type();
  }
  return std::nullopt;
}

void Evaluate(const protobuf::Message& message, conformance::Evaluation& evaluation) {
  evaluation.set_binary(message.SerializeAsString());
  std::string json;
  if (const auto status = protobuf::util::MessageToJsonString(message, &json); status.ok()) {
    evaluation.set_json(json);
  } else {
    evaluation.set_json_error(Words(status));
  }
}

// Responds to a request to evaluate a payload. Errors that are not about the payload are an
// executor_error.
void Evaluate(const conformance::EvaluateRequest& request, conformance::Response& response) {
  const auto* descriptor =
      protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(request.message_type());
  if (descriptor == nullptr) {
    response.set_executor_error("there is no message type " + request.message_type());
    return;
  }
  if (request.payload_case() == conformance::EvaluateRequest::PAYLOAD_NOT_SET) {
    response.set_executor_error("the format of the payload is not supported");
    return;
  }
  const std::unique_ptr<protobuf::Message> message(
      protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  if (const auto unreadable = Read(request, *message)) {
    response.mutable_evaluate()->set_decode_error(*unreadable);
  } else {
    Evaluate(*message, *response.mutable_evaluate()->mutable_evaluation());
  }
}

conformance::Response Answer(const conformance::Request& request) {
  conformance::Response response;
  switch (request.request_case()) {
    case conformance::Request::kDescribe:
      Describe(*response.mutable_describe());
      break;
    case conformance::Request::kEvaluate:
      Evaluate(request.evaluate(), response);
      break;
    case conformance::Request::REQUEST_NOT_SET:
      response.set_executor_error("the request is not supported");
      break;
  }
  return response;
}

}  // namespace

int main() {
  // The linker leaves out unused code. This type refers to every other type of the schema.
  protobuf::LinkMessageReflection<crucible_ir::v1::Document>();
  protobuf::io::FileInputStream requests(STDIN_FILENO);
  protobuf::io::FileOutputStream responses(STDOUT_FILENO);
  conformance::Request request;
  bool ended = false;
  while (protobuf::util::ParseDelimitedFromZeroCopyStream(&request, &requests, &ended)) {
    const auto response = Answer(request);
    if (!protobuf::util::SerializeDelimitedToZeroCopyStream(response, &responses) ||
        !responses.Flush()) {
      return EXIT_FAILURE;
    }
    request.Clear();
  }
  // The library also reports the end of the input when a size is not a varint.
  const void* rest;
  int size;
  return ended && !requests.Next(&rest, &size) ? EXIT_SUCCESS : EXIT_FAILURE;
}
