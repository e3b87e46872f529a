/**
 * How a contract writes a body as bytes and reads it again, whoever holds the bytes: the interfaces, without a form of their own.
 *
 * A reader is handed bytes from anybody: what does not fit throws `NotPacked`, which says what is wrong, and nothing else is thrown.
 */

export interface PackWriter {
  /** 0 to 255. */
  byte(value: number): void
  /** Any whole number from 0 to 2^53 - 1: small ones take a byte. */
  whole(value: number): void
  /** Eight bytes. */
  float(value: number): void
  /** Any text, lone surrogates too. */
  text(value: string): void
  /** A text that comes again and again in one body: written once. */
  name(value: string): void
}

export interface PackReader {
  byte(): number
  whole(): number
  float(): number
  text(): string
  name(): string
  /** Whether all was read. */
  readonly isAtEnd: boolean
}

/** These bytes are no body: `field` says where, as a path. */
export class NotPacked extends Error {
  readonly field: string

  constructor(field: string, reason: string) {
    super(reason)
    this.field = field
  }
}
