/** Reads `--name N` from a command line; throws with the name of the option where it is no whole number. */

export function wholeNumberOption(args: readonly string[], name: string, otherwise: number): number {
  const at = args.indexOf(name)
  if (at < 0) return otherwise
  const value = Number(args[at + 1])
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} needs a whole number, as in ${name} 10`)
  return value
}

/** The word behind `name`, or undefined. */
export function wordOption(args: readonly string[], name: string): string | undefined {
  const at = args.indexOf(name)
  return at < 0 ? undefined : args[at + 1]
}
