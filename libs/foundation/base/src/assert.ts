/** Reasoning checks: a failed one is a bug of ours, never the user's input, and stops the process loudly. */

/** Thrown when our own reasoning is wrong. Nobody but the host loop's last resort may catch it. */
export class AssertionError extends Error {
  override readonly name = "AssertionError"
}

/** States one fact. `message` says the fact, as in `assert(owner !== null, "M has an owner")`. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Narrows away `undefined`: for a value that an invariant says is there. */
export function defined<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new AssertionError(message)
  return value
}

/** The default of an exhaustive switch: compiles only when every case is handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
