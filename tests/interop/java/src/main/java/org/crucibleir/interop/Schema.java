package org.crucibleir.interop;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Message;
import com.google.protobuf.TypeRegistry;
import org.crucibleir.exchange.v1.IngestRequest;
import org.crucibleir.exchange.v1.PublishRequest;
import org.crucibleir.exchange.v1.ValidateRequest;
import org.crucibleir.v1.Document;

/** The generated messages, found by the names that the schema gives them. */
final class Schema {
  /** Each of these brings every type of its file and of the files that it imports. */
  private static final TypeRegistry TYPES =
      TypeRegistry.newBuilder()
          .add(Document.getDescriptor())
          .add(PublishRequest.getDescriptor())
          .add(IngestRequest.getDescriptor())
          .add(ValidateRequest.getDescriptor())
          .build();

  private Schema() {}

  /** Returns an empty message of a type, given by its full name. */
  static Message.Builder newMessage(String fullName) {
    Descriptor type = TYPES.find(fullName);
    if (type == null) {
      throw new IllegalArgumentException("no message type " + fullName + " was generated");
    }
    String className = type.getFile().getOptions().getJavaPackage() + "." + type.getName();
    try {
      return (Message.Builder) Class.forName(className).getMethod("newBuilder").invoke(null);
    } catch (ReflectiveOperationException exception) {
      throw new IllegalStateException(exception);
    }
  }
}
