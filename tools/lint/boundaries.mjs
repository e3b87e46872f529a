/**
 * Who may import whom: the table "Kinds of package" of the architecture as constraints of `@nx/enforce-module-boundaries`.
 *
 * Only data. Two independent laws: the level law by `type:` and the ownership law by `scope:`. A constraint whose source
 * tags match a package must hold, all of them.
 */

/** Level law: for every type, the types it may import. The numbers are the levels of the architecture's table. */
export const LEVELS = {
  /* 0 */ base: [],
  /* 1 */ actor: ["base"],
  /* 1 */ contract: ["base", "actor", "contract"],
  /* 2 */ model: ["base", "actor", "contract", "model"],
  /* 3 */ machine: ["base", "actor", "contract", "model"],
  /* 4 */ telemetry: ["base", "actor", "telemetry"],
  /* 4 */ runtime: ["base", "actor", "runtime", "telemetry"],
  /* 4 */ simulation: ["base", "actor", "simulation"],
  /* 5 */ app: ["base", "actor", "contract", "model", "machine", "runtime", "telemetry"],
  /* 5 */ simulator: ["base", "actor", "contract", "model", "machine", "runtime", "telemetry", "simulation"],
}

/** Types whose code must be a function of its inputs: no clock, no chance, no I/O. */
export const PURE_TYPES = new Set(["base", "actor", "contract", "model", "machine"])

/** Libraries that any package may import whatever its scope; each is already limited by the level law. */
const COMMON = ["type:base", "type:actor", "type:contract"]

/** What a test may import beyond its package's own list: anything of the libraries and tools, never an app. */
const TEST_TYPES = [...Object.keys(LEVELS).filter((type) => type !== "app" && type !== "simulator"), "tool"]

const tag = (type) => `type:${type}`

/** @param {Iterable<string>} scopes */
export function sourceConstraints(scopes) {
  const levels = Object.entries(LEVELS).map(([type, targets]) => ({ sourceTag: tag(type), onlyDependOnLibsWithTags: targets.map(tag) }))
  const ownership = [...scopes].flatMap((scope) =>
    ["machine", "model"].map((type) => ({
      allSourceTags: [tag(type), `scope:${scope}`],
      onlyDependOnLibsWithTags: [...COMMON, `scope:${scope}`],
    })),
  )
  return [...levels, { sourceTag: "type:tool", onlyDependOnLibsWithTags: ["*"] }, ...ownership]
}

export const TEST_CONSTRAINTS = [{ sourceTag: "*", onlyDependOnLibsWithTags: TEST_TYPES.map(tag) }]
