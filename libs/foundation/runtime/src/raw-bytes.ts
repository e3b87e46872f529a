/**
 * Bytes in messages as they are: the buses of the runtime carry them so (body-text.ts). What comes as base64 all the same is decoded by Node.js' own
 * hand, ten times faster than in plain JavaScript. For those who may not know of `Buffer`.
 */
export const RAW_BYTES = {
  encode: (bytes: Uint8Array): Uint8Array => bytes,
  decode: (text: string): Uint8Array => Buffer.from(text, "base64"),
} as const
