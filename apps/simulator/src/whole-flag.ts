/** A flag that is a whole number, or one clear error. */
export function wholeFlag(flag: string, text: string, least: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least) throw new Error(`${flag}: ${text} is not a whole number of at least ${least}`)
  return value
}
