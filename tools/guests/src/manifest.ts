/**
 * The list of our guests: how each is built, how it is run, and what must come of it. Read from manifest.json.
 *
 * Not here: running them (the exec tests), building them (build.ts).
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export interface Guest {
  readonly name: string
  readonly proves: string
  /** Relative to this package. */
  readonly sources: readonly string[]
  readonly define: readonly string[]
  /** `elf` brings the runtime and starts in M-mode; `flat` is a kernel image that starts in S-mode on SBI. */
  readonly format: "elf" | "flat"
  readonly cpus: number
  /** Console input, or null. */
  readonly stdin: string | null
  readonly maxInstructions: number | null
  /** Of `backplane exec`. */
  readonly exit: number
  readonly reason: string
  /** All that the console shows; null for one that writes raw bytes. */
  readonly console: string | null
  /** Whether `qemu-system-riscv64 -machine virt` of version 7.2 ends in the same way. */
  readonly qemu: "same" | "differs"
}

export interface Manifest {
  /** First line of `riscv64-unknown-elf-gcc --version` of the committed images. */
  readonly compiler: string
  readonly guests: readonly Guest[]
}

/** Absolute path of something in this package. */
export function pathOf(relative: string): string {
  return fileURLToPath(new URL(`../${relative}`, import.meta.url))
}

export function imagePath({ name, format }: Pick<Guest, "name" | "format">): string {
  return pathOf(`images/${name}.${format === "elf" ? "elf" : "bin"}`)
}

export function readManifest(): Manifest {
  const text = readFileSync(pathOf("manifest.json"), "utf8")
  const root = record(JSON.parse(text), "manifest")
  const guests = root["guests"]
  if (!Array.isArray(guests)) throw new Error("manifest.json: guests must be a list")
  return { compiler: string(root, "compiler", ""), guests: guests.map((entry: unknown) => guest(record(entry, "guest"))) }
}

type Fields = Readonly<Record<string, unknown>>

function guest(fields: Fields): Guest {
  return {
    name: string(fields, "name", null),
    proves: string(fields, "proves", null),
    sources: strings(fields, "sources"),
    define: strings(fields, "define"),
    format: fields["format"] === "flat" ? "flat" : "elf",
    cpus: number(fields, "cpus") ?? 1,
    stdin: typeof fields["stdin"] === "string" ? fields["stdin"] : null,
    maxInstructions: number(fields, "maxInstructions"),
    exit: number(fields, "exit") ?? 0,
    reason: string(fields, "reason", null),
    console: fields["raw"] === true ? null : string(fields, "console", ""),
    qemu: fields["qemu"] === "differs" ? "differs" : "same",
  }
}

function record(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null) throw new Error(`manifest.json: ${what} must be an object`)
  return Object.fromEntries(Object.entries(value))
}

/** `fallback` null: the field must be there. */
function string(fields: Fields, name: string, fallback: string | null): string {
  const value = fields[name] ?? fallback
  if (typeof value !== "string") throw new Error(`manifest.json: ${name} of ${String(fields["name"])} must be text`)
  return value
}

function number(fields: Fields, name: string): number | null {
  const value = fields[name] ?? null
  if (value !== null && typeof value !== "number") throw new Error(`manifest.json: ${name} of ${String(fields["name"])} must be a number`)
  return value
}

function strings(fields: Fields, name: string): readonly string[] {
  const value = fields[name] ?? []
  if (!Array.isArray(value)) throw new Error(`manifest.json: ${name} of ${String(fields["name"])} must be a list`)
  return value.map(String)
}
