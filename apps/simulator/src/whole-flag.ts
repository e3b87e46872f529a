/** Flags that make no sense: told in one line that names the flag and the remedy, and the command ends with 2. */

/** Whoever called asked for something impossible: nothing was tried. */
export class FlagError extends Error {
  override readonly name = "FlagError"
}

/** A flag that is a whole number; else a `FlagError`. */
export function wholeFlag(flag: string, text: string, least: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least) throw new FlagError(`${flag}: ${text} is not a whole number of at least ${least}`)
  return value
}
