/** Every law of the engine suite, on the engine as it is built. */
import { describe, expect, it } from "vitest"
import { WasmEngine } from "./engine.ts"
import { EXECUTION_LAWS } from "./suite/execution-laws.ts"
import { STAGE_CPUS, STAGE_MEMORY_BYTES, Setting } from "./suite/setting.ts"
import { SECOND_STAGE_LAWS } from "./suite/second-stage-laws.ts"
import { TRANSLATION_LAWS } from "./suite/translation-laws.ts"

describe.each([
  { of: "translation", laws: TRANSLATION_LAWS },
  { of: "the second stage", laws: SECOND_STAGE_LAWS },
  { of: "execution", laws: EXECUTION_LAWS },
])("$of", ({ laws }) => {
  it.each(laws)("$law", ({ check }) => {
    expect(check(new Setting(new WasmEngine({ memoryBytes: STAGE_MEMORY_BYTES, cpus: STAGE_CPUS })))).toBeUndefined()
  })
})
