/** Numbers for people. */

/** A whole number in groups of three: 12400 → `12 400`, the same on every host. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, " ")
}
