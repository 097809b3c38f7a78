package org.crucibleir.interop;

import build.buf.protovalidate.Validator;
import build.buf.protovalidate.ValidatorFactory;
import build.buf.protovalidate.Violation;
import build.buf.protovalidate.exceptions.ValidationException;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.crucibleir.conformance.v1.BrokenRule;
import org.crucibleir.conformance.v1.BrokenRules;
import org.crucibleir.conformance.v1.EvaluateRequest;
import org.crucibleir.conformance.v1.EvaluateResponse;
import org.crucibleir.conformance.v1.Evaluation;

/** Reads payloads and evaluates each aspect that the harness compares. */
final class Evaluator {
  private final JsonFormat.Parser parser = JsonFormat.parser();
  private final JsonFormat.Printer printer = JsonFormat.printer().omittingInsignificantWhitespace();
  private final Validator validator = ValidatorFactory.newBuilder().build();

  EvaluateResponse evaluate(EvaluateRequest request) throws IOException {
    Message.Builder message = Schema.newMessage(request.getMessageType());
    EvaluateResponse.Builder response = EvaluateResponse.newBuilder();
    try {
      switch (request.getPayloadCase()) {
        case BINARY -> message.mergeFrom(request.getBinary());
        case JSON -> parser.merge(utf8(request.getJson()), message);
        case PAYLOAD_NOT_SET -> throw new IllegalArgumentException("the format of the payload is not supported");
      }
    } catch (InvalidProtocolBufferException | CharacterCodingException error) {
      return response.setDecodeError(error.toString()).build();
    }
    return response.setEvaluation(evaluate(message.build())).build();
  }

  private Evaluation evaluate(Message message) throws IOException {
    Evaluation.Builder evaluation = Evaluation.newBuilder().setBinary(message.toByteString());
    try {
      evaluation.setBrokenRules(brokenRules(message));
    } catch (ValidationException undecided) {
      evaluation.setRulesError(undecided.toString());
    }
    String json;
    try {
      json = printer.print(message);
    } catch (InvalidProtocolBufferException | IllegalArgumentException unwritable) {
      String reason = unwritable.toString();
      return evaluation.setJsonError(reason).setDigestError(reason).build();
    }
    evaluation.setJson(json);
    if (UnknownFields.in(message)) {
      return evaluation.setDigestError("unknown fields would be left out of the digest").build();
    }
    return evaluation.setDigest(Digest.ofJson(json)).build();
  }

  private BrokenRules brokenRules(Message message) throws ValidationException {
    BrokenRules.Builder rules = BrokenRules.newBuilder();
    for (Violation violation : validator.validate(message).getViolations()) {
      build.buf.validate.Violation broken = violation.toProto();
      rules.addRules(
          BrokenRule.newBuilder()
              .setPath(FieldPaths.text(broken.getField()))
              .setRuleId(broken.getRuleId()));
    }
    return rules.build();
  }

  private static String utf8(ByteString text) throws CharacterCodingException {
    return StandardCharsets.UTF_8.newDecoder().decode(text.asReadOnlyByteBuffer()).toString();
  }
}
