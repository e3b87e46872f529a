/** Every lint rule of the house refuses its planted offence, and refuses nothing in the lawful neighbour. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createFixtureWorkspace, type FixtureWorkspace, type Offence } from "./fixture-workspace.ts"

interface Planted {
  readonly law: string
  readonly file: string
  readonly text: string
  /** The rule that must refuse it, or null when the text is lawful. */
  readonly rule: string | null
}

type PlantedInFolder = Omit<Planted, "file"> & { readonly folder: string }

const BOUNDARIES = "@nx/enforce-module-boundaries"
const importing = (name: string): string => `import { thing } from "${name}"\nexport const copy = thing\n`

const IMPORTS: readonly PlantedInFolder[] = [
  { law: "a machine never imports a machine of another subsystem", folder: "libs/compute/node", text: "trap-hypervisor", rule: BOUNDARIES },
  { law: "a machine imports any contract", folder: "libs/compute/node", text: "trap-contract", rule: null },
  { law: "a machine imports no model of another subsystem", folder: "libs/compute/node", text: "trap-vmm", rule: BOUNDARIES },
  { law: "a machine imports the models of its own subsystem", folder: "libs/trap/hypervisor", text: "trap-vmm", rule: null },
  { law: "a machine imports no runtime", folder: "libs/trap/hypervisor", text: "foundation-runtime", rule: BOUNDARIES },
  { law: "a model imports no runtime", folder: "libs/trap/vmm", text: "foundation-runtime", rule: BOUNDARIES },
  { law: "a model imports no machine", folder: "libs/trap/vmm", text: "trap-hypervisor", rule: BOUNDARIES },
  { law: "a contract imports no machine", folder: "libs/trap/contract", text: "trap-hypervisor", rule: BOUNDARIES },
  { law: "base imports nothing", folder: "libs/foundation/base", text: "foundation-actor", rule: BOUNDARIES },
  { law: "runtime knows no subsystem", folder: "libs/foundation/runtime", text: "trap-contract", rule: BOUNDARIES },
  { law: "simulation knows no subsystem", folder: "libs/foundation/simulation", text: "trap-contract", rule: BOUNDARIES },
  { law: "nobody imports an app", folder: "libs/trap/vmm", text: "server", rule: BOUNDARIES },
  { law: "an app imports machines", folder: "apps/server", text: "trap-hypervisor", rule: null },
  { law: "an app does not import the simulation", folder: "apps/server", text: "foundation-simulation", rule: BOUNDARIES },
].map(({ law, folder, text, rule }) => ({ law, folder, text: importing(`@backplane/${text}/thing`), rule }))

const MACHINE = "libs/trap/hypervisor"
const MODEL = "libs/trap/vmm"
const RUNTIME = "libs/foundation/runtime"

const TEXTS: readonly PlantedInFolder[] = [
  {
    law: "another package is not reached by a relative path",
    folder: MACHINE,
    text: importing("../../../../apps/server/src/thing.ts"),
    rule: BOUNDARIES,
  },
  { law: "a machine imports no node module", folder: MACHINE, text: importing("node:fs"), rule: "no-restricted-imports" },
  { law: "nor by its bare name", folder: MACHINE, text: importing("fs"), rule: "no-restricted-imports" },
  { law: "nor the bus", folder: MACHINE, text: importing("@nats-io/nats-core"), rule: "no-restricted-imports" },
  { law: "a machine reads no clock", folder: MACHINE, text: "export const at = Date.now()\n", rule: "no-restricted-globals" },
  { law: "a machine sets no timer", folder: MACHINE, text: "setTimeout(() => 1, 1)\n", rule: "no-restricted-globals" },
  { law: "a machine draws no chance", folder: MACHINE, text: "export const roll = Math.random()\n", rule: "no-restricted-properties" },
  { law: "a model prints nothing", folder: MODEL, text: 'console.log("x")\n', rule: "no-restricted-globals" },
  { law: "a model is synchronous", folder: MODEL, text: "export const f = async (): Promise<void> => {}\n", rule: "no-restricted-syntax" },
  { law: "a model sorts by a total order", folder: MODEL, text: "export const s = [2, 1].sort()\n", rule: "no-restricted-syntax" },
  { law: "runtime may read the clock", folder: RUNTIME, text: "export const at = Date.now()\n", rule: null },
  { law: "no any", folder: RUNTIME, text: "const f = (x: any): number => x\nf(1)\n", rule: "@typescript-eslint/no-explicit-any" },
  {
    law: "no non-null assertion",
    folder: RUNTIME,
    text: "export const f = (x?: number): number => x!\n",
    rule: "@typescript-eslint/no-non-null-assertion",
  },
  {
    law: "no silenced type error",
    folder: RUNTIME,
    text: '// @ts-ignore\nexport const x: number = "a"\n',
    rule: "@typescript-eslint/ban-ts-comment",
  },
  {
    law: "what is exported has its types",
    folder: RUNTIME,
    text: "export function f(x) { return x }\n",
    rule: "@typescript-eslint/explicit-module-boundary-types",
  },
  {
    law: "types are imported as types",
    folder: RUNTIME,
    text: 'import { Thing } from "./other.ts"\nexport const t = (x: Thing): Thing => x\n',
    rule: "@typescript-eslint/consistent-type-imports",
  },
  { law: "no exported mutable", folder: RUNTIME, text: "export let view = 0\nview++\n", rule: "no-restricted-syntax" },
  { law: "no barrel", folder: RUNTIME, text: 'export * from "./thing.ts"\n', rule: "no-restricted-syntax" },
  {
    law: "no inherited behaviour",
    folder: RUNTIME,
    text: 'import { Base } from "./thing.ts"\nexport class Derived extends Base {}\n',
    rule: "no-restricted-syntax",
  },
  { law: "500 lines at most", folder: RUNTIME, text: "export {}\n".padEnd(10 + 501, "\n"), rule: "max-lines" },
  {
    law: "70 lines a function at most",
    folder: RUNTIME,
    text: `export function f(): void {\n${"  f()\n".repeat(70)}}\n`,
    rule: "max-lines-per-function",
  },
]

const TESTS: readonly Planted[] = [
  {
    law: "a machine's test may use the simulation",
    file: `${MACHINE}/src/a.test.ts`,
    text: importing("@backplane/foundation-simulation/thing"),
    rule: null,
  },
  { law: "a test imports no app", file: `${MACHINE}/src/b.test.ts`, text: importing("@backplane/server/thing"), rule: BOUNDARIES },
  { law: "no test is skipped", file: `${MACHINE}/src/c.test.ts`, text: 'it.skip("x", () => {})\n', rule: "no-restricted-syntax" },
  { law: "no test runs alone", file: `${MACHINE}/src/d.test.ts`, text: 'describe.only("x", () => {})\n', rule: "no-restricted-syntax" },
]

const PLANTED: readonly Planted[] = [
  ...[...IMPORTS, ...TEXTS].map(({ law, folder, text, rule }, index) => ({ law, file: `${folder}/src/planted-${index}.ts`, text, rule })),
  ...TESTS,
]

describe("lint", () => {
  let workspace: FixtureWorkspace
  let offences: readonly Offence[] = []

  beforeAll(() => {
    workspace = createFixtureWorkspace()
    for (const { file, text } of PLANTED) workspace.plant(file, text)
    offences = workspace.lint()
  }, 90_000)
  afterAll(() => workspace.dispose())

  it.each(PLANTED)("$law", ({ file, rule }) => {
    const rules = new Set(offences.filter((offence) => offence.file === file).map((offence) => offence.rule))
    expect([...rules]).toEqual(rule === null ? [] : [rule])
  })
})
