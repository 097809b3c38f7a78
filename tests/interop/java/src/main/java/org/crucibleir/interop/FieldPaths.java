package org.crucibleir.interop;

import build.buf.validate.FieldPath;
import build.buf.validate.FieldPathElement;
import java.util.stream.Collectors;

/** Writes the paths of violations, which protovalidate gives in parts. */
final class FieldPaths {
  private FieldPaths() {}

  /** Returns a path as text, for example {@code pipeline[2].name} or {@code metrics["loss"]}. */
  static String text(FieldPath path) {
    return path.getElementsList().stream()
        .map(element -> element.getFieldName() + subscript(element))
        .collect(Collectors.joining("."));
  }

  private static String subscript(FieldPathElement element) {
    return switch (element.getSubscriptCase()) {
      case INDEX -> "[" + element.getIndex() + "]";
      case BOOL_KEY -> "[" + element.getBoolKey() + "]";
      case INT_KEY -> "[" + element.getIntKey() + "]";
      case UINT_KEY -> "[" + Long.toUnsignedString(element.getUintKey()) + "]";
      case STRING_KEY -> "[\"" + escaped(element.getStringKey()) + "\"]";
      case SUBSCRIPT_NOT_SET -> "";
    };
  }

  private static String escaped(String key) {
    return key.replace("\\", "\\\\").replace("\"", "\\\"");
  }
}
