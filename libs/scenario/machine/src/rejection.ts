/** What is wrong with a user's input: the field, what is wrong with it, and what to write instead. */
export class Rejection extends Error {
  override readonly name = "Rejection"
  readonly field: string
  /** The message without the field. */
  readonly reason: string

  constructor(field: string, reason: string) {
    super(`${field}: ${reason}`)
    this.field = field
    this.reason = reason
  }
}
