package org.crucibleir.interop;

import build.buf.protovalidate.Validator;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.crucibleir.conformance.v1.Aspect;
import org.crucibleir.conformance.v1.DescribeResponse;
import org.crucibleir.conformance.v1.Request;
import org.crucibleir.conformance.v1.Response;
import org.erdtman.jcs.JsonCanonicalizer;

/** Responds to the conformance harness: reads requests up to the end of standard input. */
public final class Executor {
  private final Evaluator evaluator = new Evaluator();

  public static void main(String[] arguments) throws IOException {
    InputStream requests = new BufferedInputStream(System.in);
    OutputStream responses = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out));
    // Standard output is for responses only, not for the output of a library.
    System.setOut(System.err);
    Executor executor = new Executor();
    for (Request request; (request = Request.parseDelimitedFrom(requests)) != null; ) {
      executor.answer(request).writeDelimitedTo(responses);
      responses.flush();
    }
  }

  private Response answer(Request request) {
    Response.Builder response = Response.newBuilder();
    try {
      switch (request.getRequestCase()) {
        case DESCRIBE -> response.setDescribe(describe());
        case EVALUATE -> response.setEvaluate(evaluator.evaluate(request.getEvaluate()));
        case REQUEST_NOT_SET -> response.setExecutorError("a request that is not known here");
      }
    } catch (Exception exception) {
      response.setExecutorError(exception.toString());
    }
    return response.build();
  }

  private static DescribeResponse describe() {
    return DescribeResponse.newBuilder()
        .setImplementation(
            Stream.of(Message.class, JsonFormat.class, Validator.class, JsonCanonicalizer.class)
                .map(Executor::library)
                .collect(Collectors.joining(", ")))
        .addAspects(Aspect.ASPECT_BINARY)
        .addAspects(Aspect.ASPECT_JSON)
        .addAspects(Aspect.ASPECT_VIOLATIONS)
        .addAspects(Aspect.ASPECT_DIGEST)
        .build();
  }

  /** Returns the name and version of the library that a class comes from, as its jar has them. */
  private static String library(Class<?> type) {
    String jar = type.getProtectionDomain().getCodeSource().getLocation().getPath();
    return Path.of(jar).getFileName().toString().replaceFirst("-(\\d[^-]*)\\.jar$", " $1");
  }
}
