package org.crucibleir.interop;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import java.util.List;

/** Finds the fields of a newer schema, which a digest cannot cover. */
final class UnknownFields {
  private UnknownFields() {}

  /** Returns whether a message, or any message inside it, has unknown fields. */
  static boolean in(Message message) {
    return !message.getUnknownFields().isEmpty()
        || message.getAllFields().entrySet().stream()
            .filter(field -> field.getKey().getJavaType() == FieldDescriptor.JavaType.MESSAGE)
            .flatMap(
                field ->
                    field.getKey().isRepeated()
                        ? ((List<?>) field.getValue()).stream()
                        : List.of(field.getValue()).stream())
            .anyMatch(held -> in((Message) held));
  }
}
