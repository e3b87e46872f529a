/** The real model keeps every law, and every planted bug breaks at least one. */
import { describe, expect, it } from "vitest"
import { Slot } from "./csr-file.ts"
import { executeSystem, SRET } from "./execute-system.ts"
import { interruptToTake } from "./interrupts.ts"
import { SIE, SPIE } from "./status.ts"
import { ACCESS_LAWS } from "./suite/access-laws.ts"
import type { PrivilegedModel } from "./suite/laws.ts"
import { TRAP_LAWS } from "./suite/trap-laws.ts"
import { enterTrap } from "./trap.ts"

const LAWS = [...ACCESS_LAWS, ...TRAP_LAWS]
const REAL: PrivilegedModel = { execute: executeSystem, enter: enterTrap, interrupt: interruptToTake }

const csrOf = (word: number) => word >>> 20
const isCsr = (word: number) => (word & 0x3000) !== 0

/** Made anew for each law: some keep state. */
const PLANTED: Readonly<Record<string, () => PrivilegedModel>> = {
  "csrrs x0 counts as a write": () => ({
    ...REAL,
    execute: (file, instruction, moment) => {
      const quiet = isCsr(instruction.word) && (instruction.word & 0x2000) !== 0 && ((instruction.word >>> 15) & 31) === 0
      return executeSystem(file, quiet ? { ...instruction, word: instruction.word | (1 << 15), rs1: 0n } : instruction, moment)
    },
  }),
  "the interrupt right after sret is missed": () => {
    let justReturned = false
    return {
      ...REAL,
      execute: (file, instruction, moment) => {
        justReturned = instruction.word === SRET
        return executeSystem(file, instruction, moment)
      },
      interrupt: (file, moment) => (justReturned ? null : interruptToTake(file, moment)),
    }
  },
  "traps from M-mode are delegated too": () => ({
    ...REAL,
    enter: (file, trap) => {
      if (file.get(Slot.privilege) === 3n) file.set(Slot.privilege, 1n)
      return enterTrap(file, trap)
    },
  }),
  "SPIE keeps its old value at a trap": () => ({
    ...REAL,
    enter: (file, trap) => {
      const old = file.get(Slot.mstatus) & SPIE
      const pc = enterTrap(file, trap)
      file.set(Slot.mstatus, (file.get(Slot.mstatus) & ~SPIE) | old)
      return pc
    },
  }),
  "sret leaves SPIE as it was": () => ({
    ...REAL,
    execute: (file, instruction, moment) => {
      const old = file.get(Slot.mstatus) & SPIE
      const outcome = executeSystem(file, instruction, moment)
      if (instruction.word === SRET) file.set(Slot.mstatus, (file.get(Slot.mstatus) & ~SPIE) | old)
      return outcome
    },
  }),
  "mideleg takes machine interrupts": () => ({
    ...REAL,
    execute: (file, instruction, moment) => {
      const outcome = executeSystem(file, instruction, moment)
      if (csrOf(instruction.word) === 0x303 && isCsr(instruction.word) && instruction.rs1 !== 0n)
        file.set(Slot.mideleg, instruction.rs1 & 0xaaan)
      return outcome
    },
  }),
  "medeleg takes ecall from M": () => ({
    ...REAL,
    execute: (file, instruction, moment) => {
      const outcome = executeSystem(file, instruction, moment)
      if (csrOf(instruction.word) === 0x302 && isCsr(instruction.word) && instruction.rs1 !== 0n)
        file.set(Slot.medeleg, instruction.rs1 & 0xffffn)
      return outcome
    },
  }),
  "ecall leaves its pc in stval": () => ({
    ...REAL,
    execute: (file, instruction, moment) => {
      const outcome = executeSystem(file, instruction, moment)
      return outcome.kind === "exception" && outcome.cause >= 8 ? { ...outcome, value: instruction.pc } : outcome
    },
  }),
  "STIP can be written under Sstc": () => ({
    ...REAL,
    execute: (file, instruction, moment) => {
      const owned = file.get(Slot.menvcfg)
      if (csrOf(instruction.word) === 0x344) file.set(Slot.menvcfg, 0n)
      const outcome = executeSystem(file, instruction, moment)
      file.set(Slot.menvcfg, file.get(Slot.menvcfg) | owned)
      return outcome
    },
  }),
  "a write of SUM leaves translation as it was": () => ({
    ...REAL,
    execute: (file, instruction, moment) => {
      const outcome = executeSystem(file, instruction, moment)
      return outcome.kind === "next" && outcome.affects === "both" ? { ...outcome, affects: "interrupts" } : outcome
    },
  }),
  "interrupts obey SIE in U-mode": () => ({
    ...REAL,
    interrupt: (file, moment) =>
      (file.get(Slot.mstatus) & SIE) === 0n && file.get(Slot.privilege) === 0n ? null : interruptToTake(file, moment),
  }),
}

describe("privileged architecture", () => {
  for (const law of LAWS) {
    it(law.name, () => {
      expect(law.broken(REAL)).toBeNull()
    })
  }
})

describe("planted bugs", () => {
  for (const [name, plant] of Object.entries(PLANTED)) {
    it(`are caught: ${name}`, () => {
      const broken = LAWS.filter((law) => law.broken(plant()) !== null)
      expect(broken.map((law) => law.name)).not.toEqual([])
    })
  }
})
