package org.crucibleir.interop;

import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.erdtman.jcs.JsonCanonicalizer;

/** The digest of a message: SHA-256 of the canonical form (RFC 8785) of its ProtoJSON. */
final class Digest {
  private Digest() {}

  /** Returns the digest of a message, given its ProtoJSON. */
  static String ofJson(String json) throws IOException {
    byte[] canonical = new JsonCanonicalizer(json).getEncodedUTF8();
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(canonical);
      return "sha256:" + HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException exception) {
      throw new IllegalStateException("every Java has SHA-256", exception);
    }
  }
}
