/**
 * Freezes a message body or a stored value in place, deeply.
 *
 * On a real bus sender and receiver have copies; in the simulation they share one object. Frozen, a machine that changes
 * what it sent or heard fails at once instead of working here and nowhere else. Bytes cannot be frozen and are left;
 * functions, symbols and maps, which no codec carries, are refused.
 */
import { assert } from "@backplane/foundation-base/assert"

export function deepFreeze<T>(value: T): T {
  assert(typeof value !== "function" && typeof value !== "symbol", "a message or stored value holds no function and no symbol")
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return value
  assert(!(value instanceof Map || value instanceof Set), "a message or stored value holds lists and records, no Map and no Set")
  Object.freeze(value)
  if (Array.isArray(value)) for (const element of value) deepFreeze<unknown>(element)
  else for (const key in value) deepFreeze(value[key])
  return value
}
