/** The values that survive JSON text unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** JSON with the keys of every object in code-unit order: equal values give equal text. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value)
  let text = ""
  if (isArray(value)) {
    for (const each of value) text += text === "" ? canonicalJson(each) : `,${canonicalJson(each)}`
    return `[${text}]`
  }
  const keys = Object.keys(value)
  // Most objects are written in order.
  if (!keys.every((key, index) => index === 0 || (keys[index - 1] ?? "") <= key)) keys.sort(compareText)
  for (const key of keys) text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`
  return `{${text}}`
}

/** Whether both give the same `canonicalJson`, found out without making it. */
export function isSameJson(a: Json, b: Json): boolean {
  if (a === b) return true
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false
  if (isArray(a) || isArray(b))
    return isArray(a) && isArray(b) && a.length === b.length && a.every((each, index) => isSameJson(each, b[index] ?? null))
  const fields = Object.keys(a)
  return (
    fields.length === Object.keys(b).length && fields.every((key) => Object.hasOwn(b, key) && isSameJson(a[key] ?? null, b[key] ?? null))
  )
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

/** Total order by UTF-16 code units; independent of locale, so the same on every host. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
