/** Every law of the engine suite, on the engine in every build. */
import { describe, expect, it } from "vitest"
import { EXECUTION_LAWS } from "./suite/execution-laws.ts"
import { FENCE_LAWS } from "./suite/fence-laws.ts"
import { FRAME_RIGHTS_LAWS } from "./suite/frame-rights-laws.ts"
import { BULK_LAWS } from "./suite/bulk-laws.ts"
import { KERNEL_ROUND_LAWS } from "./suite/kernel-round-laws.ts"
import { ROUND_LAWS } from "./suite/round-laws.ts"
import { STAGE_CPUS, STAGE_MEMORY_BYTES, Setting } from "./suite/setting.ts"
import { SECOND_STAGE_LAWS } from "./suite/second-stage-laws.ts"
import { TRANSLATION_LAWS } from "./suite/translation-laws.ts"
import { ENGINE_VARIANTS } from "./suite/variants.ts"

describe.each(ENGINE_VARIANTS)("$build", ({ make }) => {
  describe.each([
    { of: "translation", laws: TRANSLATION_LAWS },
    { of: "the second stage", laws: SECOND_STAGE_LAWS },
    { of: "rights to frames", laws: FRAME_RIGHTS_LAWS },
    { of: "fences", laws: FENCE_LAWS },
    { of: "idle loops", laws: ROUND_LAWS },
    { of: "rounds of a kernel", laws: KERNEL_ROUND_LAWS },
    { of: "loops that fill and copy", laws: BULK_LAWS },
    { of: "execution", laws: EXECUTION_LAWS },
  ])("$of", ({ laws }) => {
    it.each(laws)("$law", ({ check }) => {
      expect(check(new Setting(make({ memoryBytes: STAGE_MEMORY_BYTES, cpus: STAGE_CPUS })))).toBeUndefined()
    })
  })
})
