/**
 * Freezes a message body or a stored value in place, deeply.
 *
 * On a real bus sender and receiver have copies; in the simulation they share one object. Frozen, a machine that changes
 * what it sent or heard fails at once instead of working here and nowhere else. Bytes cannot be frozen and are left.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return value
  Object.freeze(value)
  for (const key in value) deepFreeze(value[key])
  return value
}
