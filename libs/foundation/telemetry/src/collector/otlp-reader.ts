/** Reads OTLP/JSON (or what otlp-protobuf.ts makes of protobuf) field by field; an error names the field and what belongs there. */
import type { Attributes } from "@backplane/foundation-actor/trace-context"

/** The input is not OTLP. `field` is the path to it, `remedy` what belongs there. */
export class OtlpError extends Error {
  override readonly name = "OtlpError"
  readonly field: string
  readonly remedy: string

  constructor(field: string, remedy: string) {
    super(`${field}: ${remedy}`)
    this.field = field
    this.remedy = remedy
  }
}

/** One object of the input and where it stands. */
export class OtlpReader {
  readonly path: string
  readonly #fields: Readonly<Record<string, unknown>>

  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new OtlpError(path, "is an object")
    this.path = path
    this.#fields = value as Readonly<Record<string, unknown>>
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null
  }

  /** Empty where it is missing. */
  list(name: string): readonly OtlpReader[] {
    return this.values(name).map((value, index) => new OtlpReader(value, `${this.#at(name)}[${index}]`))
  }

  values(name: string): readonly unknown[] {
    const value = this.#fields[name]
    if (value === undefined || value === null) return []
    if (!Array.isArray(value)) throw new OtlpError(this.#at(name), "is a list")
    return value
  }

  object(name: string): OtlpReader | null {
    return this.has(name) ? new OtlpReader(this.#fields[name], this.#at(name)) : null
  }

  text(name: string): string {
    const value = this.#fields[name] ?? ""
    if (typeof value !== "string") throw new OtlpError(this.#at(name), "is text")
    return value
  }

  flag(name: string): boolean {
    const value = this.#fields[name] ?? false
    if (typeof value !== "boolean") throw new OtlpError(this.#at(name), "is true or false")
    return value
  }

  /** A number, or decimal text, as OTLP/JSON writes 64-bit integers. Missing is 0, as in protobuf. */
  number(name: string): number {
    return numberOf(this.#fields[name] ?? 0, this.#at(name))
  }

  numbers(name: string): readonly number[] {
    return this.values(name).map((value, index) => numberOf(value, `${this.#at(name)}[${index}]`))
  }

  /** Nanoseconds since 1970 as microseconds: 64 bits do not fit a number, so text loses its last three digits first. */
  micros(name: string): number {
    const value = this.#fields[name] ?? 0
    const text = String(value)
    if (typeof value === "string" && /^\d{16,20}$/.test(text)) return Number(text.slice(0, -3)) + Number(text.slice(-3)) / 1000
    return numberOf(value, this.#at(name)) / 1000
  }

  /** An id of `digits` hexadecimal digits; null where it is missing or empty. */
  id(name: string, digits: number): string | null {
    const value = this.#fields[name]
    if (value === undefined || value === null || value === "") return null
    const text = value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value
    if (text === "") return null
    if (typeof text !== "string" || text.length !== digits || !/^[0-9a-f]+$/i.test(text)) {
      throw new OtlpError(this.#at(name), `is ${digits} hexadecimal digits (${digits / 2} bytes in protobuf)`)
    }
    return /^0+$/.test(text) ? null : text.toLowerCase()
  }

  requiredId(name: string, digits: number): string {
    const id = this.id(name, digits)
    if (id === null) throw new OtlpError(this.#at(name), `is needed: ${digits} hexadecimal digits, not all zero`)
    return id
  }

  /** Attributes as a flat object; lists and maps become their JSON text. */
  attributes(name = "attributes"): Attributes {
    const attributes: Record<string, string | number | boolean> = {}
    for (const pair of this.list(name)) {
      const value = pair.object("value")
      if (value !== null) attributes[pair.text("key")] = value.any()
    }
    return attributes
  }

  /** This object as an AnyValue. */
  any(): string | number | boolean {
    if (this.has("stringValue")) return this.text("stringValue")
    if (this.has("boolValue")) return this.flag("boolValue")
    if (this.has("intValue")) return this.number("intValue")
    if (this.has("doubleValue")) return this.number("doubleValue")
    if (this.has("arrayValue"))
      return JSON.stringify(
        this.object("arrayValue")
          ?.list("values")
          .map((value) => value.any()),
      )
    if (this.has("kvlistValue")) return JSON.stringify(this.object("kvlistValue")?.attributes("values"))
    return ""
  }

  #at(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`
  }
}

function numberOf(value: unknown, path: string): number {
  if (typeof value === "number") return value
  if (typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value))) return Number(value)
  if (value === "NaN") return NaN
  throw new OtlpError(path, "is a number or decimal text")
}
