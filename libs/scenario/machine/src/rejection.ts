/** What is wrong with a user's input: the field, what is wrong with it, and what to write instead. */
export class Rejection extends Error {
  override readonly name = "Rejection"
  readonly field: string

  constructor(field: string, message: string) {
    super(`${field}: ${message}`)
    this.field = field
  }
}
