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
import { generateDecoder } from "./generate-decoder.ts"
import { generateInterpreter } from "./generate-interpreter.ts"
import { OPERATIONS, generateOperations } from "./operations.ts"

const ENGINE = join(import.meta.dirname, "../../../libs/compute/engine")
/** Base64 characters per line of the result. */
const LINE_CHARACTERS = 120

/** `LAYOUT.PC` becomes `LAYOUT_PC`. */
function generateLayout(): string {
  const constant = (name: string, value: number): string => `export const ${name}: u32 = ${value}\n`
  return Object.entries(layout)
    .map(([name, value]) => {
      if (typeof value === "number") return constant(name, value)
      if (typeof value === "function") return ""
      return Object.entries(value)
        .map(([field, offset]) => constant(`${name}_${field}`, offset))
        .join("")
    })
    .join("")
}

/** Names to texts of all AssemblyScript modules. */
export function engineSources(): Map<string, string> {
  const written = readdirSync(join(ENGINE, "assembly")).filter((name) => name.endsWith(".ts"))
  return new Map([
    ...written.map((name): [string, string] => [name, readFileSync(join(ENGINE, "assembly", name), "utf8")]),
    ["layout.ts", generateLayout()],
    ["operations.ts", generateOperations()],
    ["decoder.ts", generateDecoder()],
    ["interpreter.ts", generateInterpreter(OPERATIONS)],
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
export function moduleText(binary: Uint8Array): string {
  const base64 = Buffer.from(binary).toString("base64")
  const lines = base64.match(new RegExp(`.{1,${LINE_CHARACTERS}}`, "g")) ?? []
  return `/** The built WebAssembly module of the engine in base64. Made by tools/engine-build; do not edit. */\n// prettier-ignore\nexport const ENGINE_WASM =\n${lines.map((line) => `  "${line}"`).join(" +\n")}\n`
}

export const ENGINE_WASM_FILE = join(ENGINE, "src/engine-wasm.ts")

if (import.meta.main) {
  const { binary } = await buildEngine(engineSources())
  writeFileSync(ENGINE_WASM_FILE, moduleText(binary))
  console.log(`engine-wasm.ts: ${binary.length} bytes of WebAssembly`)
}
