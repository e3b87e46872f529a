/**
 * Privileged sequences that QEMU agreed to: the same notes, page tables and pages, without QEMU.
 *
 * A fingerprint that changes means that the machine, the guest `privileged` or the generator changed: look with
 * `node tools/differential/src/script/main.ts` where QEMU is installed, and take the new ones only from there.
 */
import { describe, expect, it } from "vitest"
import { outputFingerprint, runOnBoard, scriptImage } from "./run-script.ts"
import { scriptOf } from "./main.ts"

const AGREED: readonly (readonly [seed: number, fingerprint: string])[] = [
  [1, "bd80e8ac4430246d"],
  [2, "c0a982a53ead7d0d"],
  [3, "6fcac505ae33955e"],
  [4, "0ec9f6149c80c3e3"],
  [5, "294c2da6715aedbd"],
  [6, "991bd4171b5b0cb8"],
]

describe("privileged scripts", () => {
  for (const [seed, fingerprint] of AGREED) {
    it(`of seed ${seed} end as QEMU's did`, () => {
      expect(outputFingerprint(runOnBoard(scriptImage(scriptOf(seed))))).toBe(fingerprint)
    })
  }
})
