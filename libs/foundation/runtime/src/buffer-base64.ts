/** Base64 by Node.js' own hand: ten times faster than in plain JavaScript, for what travels in bulk. For those who may not know of `Buffer`. */
export const BUFFER_BASE64 = {
  encode: (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"),
  decode: (text: string): Uint8Array => Buffer.from(text, "base64"),
} as const
