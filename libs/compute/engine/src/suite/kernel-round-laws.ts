/**
 * Laws of CPUs that tell when they came round in their kernel in vain (assembly/kernel-rounds.ts): found in the fourth time at the latest, not where anything was different. That it is
 * never wrong: vain-rounds.ts.
 */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { expectSame, firstWrong } from "./setting.ts"
import type { EngineLaw } from "./setting.ts"
import { SERVING } from "./vain-rounds.ts"

/** csrsi sstatus, 2; sret */
const [ON, SRET] = [0x1001_6073, 0x1020_0073]
const NOP = encode("addi", {})
const MOST = 10_000
/** Words of the privileged state (PrivilegedCpus.words): privilege, mstatus, sepc. */
const [PRIVILEGE, STATUS, SEPC] = [0, 1, 18]
const SUPERVISOR = 1n
const SPP = 1n << 8n

interface Loop {
  readonly name: string
  readonly body: readonly number[]
  /** Instructions of a round; null: it never comes round. */
  readonly round: number | null
}

const LOOPS: readonly Loop[] = [
  { name: "that turns interrupts on in each round", body: [ON, NOP, NOP], round: 4 },
  { name: "that passes several such places in a round", body: [ON, NOP, ON, ON, NOP, ON, NOP, ON], round: 9 },
  { name: "that counts in a register", body: [ON, encode("addi", { rd: 31, rs1: 31, immediate: 1 })], round: null },
  { name: "that turns none on", body: [NOP, NOP], round: null },
]
const back = (body: readonly number[]): number => encode("jal", { rd: 0, immediate: -4 * body.length })

const throughUser: EngineLaw = {
  law: "a kernel that comes back through a user program has not come round",
  check: (setting) => {
    const { engine } = setting
    const { privileged } = engine
    if (privileged === null) return undefined // the timed build serves nothing
    // Supervisor: interrupts on, back to the program; the program calls; the handler is the beginning.
    setting.code([ON, SRET, 0x73])
    privileged.serve(0, SERVING)
    const words = privileged.words(0)
    const [MEDELEG, STVEC] = [2, 15]
    words[PRIVILEGE] = SUPERVISOR
    words[STATUS] = (words[STATUS] ?? 0n) & ~SPP
    words[MEDELEG] = 1n << 8n
    words[STVEC] = RAM_BASE
    words[SEPC] = RAM_BASE + 8n
    engine.writePc(0, RAM_BASE)
    privileged.begin(0, { pending: 0n, trapsNested: 0, callOpen: false, fencesLeave: false })
    const { retired, kind } = engine.run(0, 999)
    const served = privileged.take(0)
    return firstWrong(
      expectSame("kind", kind, "budget"),
      expectSame("retired", retired, 999),
      expectSame("it went to and fro", (served?.returns ?? 0) > 100, true),
      expectSame("came back", served?.cameBack, null),
    )
  },
}

/** Counts a word to two, comes round meanwhile, and takes a lock then that is taken: x8 is where both lie. */
const spinsInTheEnd: EngineLaw = {
  law: "a kernel that looks as if it came round, and then spins, is found to spin",
  check: (setting) => {
    const { engine } = setting
    const { privileged } = engine
    if (privileged === null) return undefined // the timed build serves nothing
    const DATA = RAM_BASE + 0x10_0000n
    const CLEAR = [encode("addi", { rd: 6 }), encode("addi", { rd: 7 })]
    const count = [
      encode("ld", { rd: 6, rs1: 8, immediate: 0 }),
      encode("addi", { rd: 6, rs1: 6, immediate: 1 }),
      encode("sd", { rs1: 8, rs2: 6, immediate: 0 }),
      encode("slti", { rd: 7, rs1: 6, immediate: 2 }),
      encode("beq", { rs1: 7, rs2: 0, immediate: 16 }),
      ...CLEAR,
    ]
    const round = [ON, ...count, back([ON, ...count])]
    const spin = [encode("amoswap.w", { rd: 6, rs1: 8, rs2: 6 }), encode("bne", { rs1: 6, rs2: 0, immediate: -4 })]
    setting.code([...round, ...spin])
    privileged.serve(0, SERVING)
    privileged.words(0)[PRIVILEGE] = SUPERVISOR
    setting.registers(0, { 8: DATA })
    engine.writePc(0, RAM_BASE)
    privileged.begin(0, { pending: 0n, trapsNested: 0, callOpen: false, fencesLeave: false })
    engine.run(0, 2 * round.length + 100)
    return expectSame("the round", engine.findRound(0, 48).round, spin.length)
  },
}

export const KERNEL_ROUND_LAWS: readonly EngineLaw[] = [
  ...LOOPS.map(({ name, body, round }): EngineLaw => ({
    law: `a kernel's loop ${name} ${round === null ? "never comes round" : "comes round, again and again"}`,
    check: (setting) => {
      const { engine } = setting
      const { privileged } = engine
      if (privileged === null) return undefined // the timed build serves nothing
      setting.code([...body, back(body)])
      privileged.serve(0, SERVING)
      privileged.words(0)[PRIVILEGE] = SUPERVISOR
      engine.writePc(0, RAM_BASE)
      const run = (): { readonly retired: number; readonly cameBack: boolean } => {
        privileged.begin(0, { pending: 0n, trapsNested: 0, callOpen: false, fencesLeave: false })
        const { retired } = engine.run(0, MOST)
        return { retired, cameBack: (privileged.take(0)?.cameBack ?? null) === "proof" }
      }
      const [first, second] = [run(), run()]
      if (round === null) return firstWrong(expectSame("came back", first.cameBack, false), expectSame("retired", first.retired, MOST))
      return firstWrong(
        expectSame("came back", first.cameBack, true),
        expectSame("within four rounds", first.retired <= 4 * round + 1, true),
        expectSame("after one round", second.retired, round),
        expectSame("came back again", second.cameBack, true),
      )
    },
  })),
  throughUser,
  spinsInTheEnd,
]
