/**
 * Builds the engine's WebAssembly module: `node tools/engine-build/src/build.ts` writes libs/compute/engine/src/engine-wasm.ts.
 *
 * Sources are libs/compute/engine/assembly and three modules generated from the instruction table; nothing generated is kept but
 * the result. A test builds again and compares.
 */
import { readFileSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import asc from "assemblyscript/asc"
import * as layout from "@backplane/compute-engine/layout"
import * as timingLayout from "@backplane/compute-engine/layout-timing"
import { generateDecoder } from "./generate-decoder.ts"
import { generateInterpreter } from "./generate-interpreter.ts"
import { OPERATIONS, generateOperations } from "./operations.ts"

const ENGINE = join(import.meta.dirname, "../../../libs/compute/engine")
/** Base64 characters per line of the result. */
const LINE_CHARACTERS = 160

/** `LAYOUT.PC` becomes `LAYOUT_PC`. */
function generateLayout(): string {
  const constant = (name: string, value: number): string => `export const ${name}: u32 = ${value}\n`
  return [...Object.entries(layout), ...Object.entries(timingLayout)]
    .map(([name, value]) => {
      if (typeof value === "number") return constant(name, value)
      if (typeof value === "function" || Array.isArray(value)) return ""
      return Object.entries(value)
        .map(([field, offset]) => constant(`${name}_${field}`, offset))
        .join("")
    })
    .join("")
}

/** `timed`: every access goes through caches and TLB (layout-timing.ts); nothing of that is in the functional build. */
export type Fidelity = "functional" | "timed"

/** What the host calls in the timed build alone. */
const TIMED_EXPORTS = `
export { configureTiming } from "./timing-state"
export { dropFrame, shareFrame } from "./timing-protocol"
export { retiredByAll, runTogether } from "./timing-turns"
`

/** Names to texts of all AssemblyScript modules. */
export function engineSources(fidelity: Fidelity = "functional"): Map<string, string> {
  const timed = fidelity === "timed"
  const written = readdirSync(join(ENGINE, "assembly")).filter((name) => name.endsWith(".ts"))
  const text = (name: string): string =>
    `${readFileSync(join(ENGINE, "assembly", name), "utf8")}${timed && name === "module.ts" ? TIMED_EXPORTS : ""}`
  return new Map([
    ...written.map((name): [string, string] => [name, text(name)]),
    ["fidelity.ts", `export const TIMED: bool = ${timed}\n`],
    ["layout.ts", generateLayout()],
    ["operations.ts", generateOperations()],
    ["decoder.ts", generateDecoder()],
    ["interpreter.ts", generateInterpreter(OPERATIONS, fidelity)],
  ])
}

export interface Built {
  readonly binary: Uint8Array<ArrayBuffer>
  readonly text: string
}

export async function buildEngine(
  sources: ReadonlyMap<string, string>,
  outputs: readonly string[] = [],
  optimise: "-O1" | "-O3" = "-O3",
): Promise<Built> {
  const files = new Map<string, string | Uint8Array>()
  const errors: string[] = []
  const options = [optimise, "--runtime", "stub", "--importMemory", "--noExportMemory", "--initialMemory", "1", "--use", "abort="]
  const result = await asc.main(["module.ts", ...options, "--outFile", "engine.wasm", ...outputs], {
    readFile: (name) => sources.get(name.replace(/^\.?\//, "")) ?? null,
    writeFile: (name, contents) => void files.set(name, contents),
    listFiles: () => [],
    stderr: { write: (chunk: string | Uint8Array) => void errors.push(String(chunk)) },
  })
  if (result.error !== null) throw new Error(`the engine does not compile:\n${errors.join("")}`)
  const binary = files.get("engine.wasm")
  if (!(binary instanceof Uint8Array)) throw new Error("asc wrote no module")
  return { binary: new Uint8Array(binary), text: String(files.get("engine.wat") ?? "") }
}

/** The TypeScript module that carries the binary. */
export function moduleText(binary: Uint8Array, fidelity: Fidelity = "functional"): string {
  const name = fidelity === "timed" ? "ENGINE_TIMED_WASM" : "ENGINE_WASM"
  const base64 = Buffer.from(binary).toString("base64")
  const lines = base64.match(new RegExp(`.{1,${LINE_CHARACTERS}}`, "g")) ?? []
  return `/** The built WebAssembly module of the engine in base64. Made by tools/engine-build; do not edit. */\n// prettier-ignore\nexport const ${name} =\n${lines.map((line) => `  "${line}"`).join(" +\n")}\n`
}

export const WASM_FILES: Readonly<Record<Fidelity, string>> = {
  functional: join(ENGINE, "src/engine-wasm.ts"),
  timed: join(ENGINE, "src/engine-timed-wasm.ts"),
}

if (import.meta.main) {
  for (const fidelity of ["functional", "timed"] as const) {
    const { binary } = await buildEngine(engineSources(fidelity))
    writeFileSync(WASM_FILES[fidelity], moduleText(binary, fidelity))
    console.log(`${fidelity}: ${binary.length} bytes of WebAssembly`)
  }
}
