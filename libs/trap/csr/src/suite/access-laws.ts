/** Laws of CSR access: who may touch which number, and what an instruction must not do. */
import { CSR_TABLE } from "../csr-table.ts"
import { Slot } from "../csr-file.ts"
import { MACHINE, SUPERVISOR, USER, type Privilege } from "../privilege.ts"
import { MXR, SIE, SUM, TVM } from "../status.ts"
import { csrWord, X0, X5, X6 } from "./encode.ts"
import { contents, differs, firstOf, hartIn, isIllegal, look, numberOf, put, run, type Law, type PrivilegedModel } from "./laws.ts"

const BELOW: readonly Privilege[] = [USER, SUPERVISOR]

export const ACCESS_LAWS: readonly Law[] = [
  {
    name: "csrrs and csrrc with x0 write nothing, even where a write would be illegal",
    broken: (model: PrivilegedModel): string | null => {
      for (const { number, name } of CSR_TABLE) {
        for (const mnemonic of ["csrrs", "csrrc", "csrrsi", "csrrci"] as const) {
          const file = hartIn(MACHINE)
          const before = contents(file)
          const outcome = run(model, file, csrWord(mnemonic, { rd: X5, csr: number, source: 0 }))
          if (outcome.kind !== "next") return `${mnemonic} ${name} with 0 became ${outcome.kind}`
          if (contents(file) !== before) return `${mnemonic} ${name} with 0 changed the file`
        }
      }
      return null
    },
  },
  {
    name: "a register that holds zero still writes: a read-only number is illegal",
    broken: (model: PrivilegedModel): string | null => {
      const writers = CSR_TABLE.filter((row) => row.number >> 10 === 3)
      const legal = writers.find(
        (row) => !isIllegal(run(model, hartIn(MACHINE), csrWord("csrrs", { rd: X5, csr: row.number, source: X6 }), 0n)),
      )
      return legal === undefined ? null : `${legal.name} was written`
    },
  },
  {
    name: "csrrw to x0 reads nothing",
    broken: (model: PrivilegedModel): string | null => {
      const outcome = put(model, hartIn(MACHINE), "mscratch", 7n)
      return outcome.kind === "next" ? differs("value", outcome.value, null) : outcome.kind
    },
  },
  {
    name: "csrrw swaps: the old value comes out, the new one stays",
    broken: (model: PrivilegedModel): string | null => {
      const file = hartIn(MACHINE)
      file.set(Slot.mscratch, 7n)
      const outcome = run(model, file, csrWord("csrrw", { rd: X5, csr: numberOf("mscratch"), source: X5 }), 9n)
      return firstOf(differs("old", outcome.kind === "next" ? outcome.value : null, 7n), differs("new", file.get(Slot.mscratch), 9n))
    },
  },
  {
    name: "a number is illegal below its privilege, and one that is not in the table everywhere",
    broken: (model: PrivilegedModel): string | null => {
      const known = new Set(CSR_TABLE.map((row) => row.number))
      for (let number = 0; number < 4096; number += 1) {
        const levels = known.has(number) ? BELOW.filter((level) => level < ((number >> 8) & 3)) : [...BELOW, MACHINE]
        const allowed = levels.find(
          (level) => !isIllegal(run(model, hartIn(level as Privilege), csrWord("csrrs", { rd: X5, csr: number, source: X0 }))),
        )
        if (allowed !== undefined) return `0x${number.toString(16)} can be read at level ${allowed}`
      }
      return null
    },
  },
  {
    name: "an illegal instruction reports its own bits",
    broken: (model: PrivilegedModel): string | null => {
      const word = csrWord("csrrs", { rd: X5, csr: 0x800, source: X0 })
      const outcome = run(model, hartIn(USER), word)
      return outcome.kind === "exception" ? differs("value", outcome.value, BigInt(word)) : outcome.kind
    },
  },
  {
    name: "counters open one level at a time",
    broken: (model: PrivilegedModel): string | null => {
      const supervisor = hartIn(SUPERVISOR)
      const closed = look(model, supervisor, "time")
      supervisor.set(Slot.mcounteren, 2n)
      const opened = look(model, supervisor, "time")
      const user = hartIn(USER)
      user.set(Slot.mcounteren, 2n)
      const half = look(model, user, "time")
      user.set(Slot.scounteren, 2n)
      return firstOf(
        differs("S without mcounteren", closed, -1n),
        differs("S with mcounteren", opened, 1000n),
        differs("U without scounteren", half, -1n),
        differs("U with both", look(model, user, "time"), 1000n),
      )
    },
  },
  {
    name: "TVM hides satp and sfence.vma from S-mode, not from M-mode",
    broken: (model: PrivilegedModel): string | null => {
      const fence = 0x1200_0073
      const hidden = hartIn(SUPERVISOR)
      hidden.set(Slot.mstatus, hidden.get(Slot.mstatus) | TVM)
      const machine = hartIn(MACHINE)
      machine.set(Slot.mstatus, machine.get(Slot.mstatus) | TVM)
      return firstOf(
        differs("satp in S", look(model, hidden, "satp"), -1n),
        differs("sfence in S illegal", isIllegal(run(model, hidden, fence)), true),
        differs("satp in M", look(model, machine, "satp"), 0n),
        differs("sfence in M", run(model, machine, fence).kind, "fence"),
      )
    },
  },
  {
    name: "a write of status says whether translation must be looked at again, and interrupts always",
    broken: (model: PrivilegedModel): string | null => {
      const file = hartIn(SUPERVISOR)
      const effect = (bits: bigint): string => {
        const outcome = run(model, file, csrWord("csrrs", { rd: X0, csr: numberOf("sstatus"), source: X6 }), bits)
        return outcome.kind === "next" ? outcome.affects : outcome.kind
      }
      return firstOf(
        differs("SIE", effect(SIE), "interrupts"),
        differs("SUM", effect(SUM), "both"),
        differs("SUM again", effect(SUM), "interrupts"),
        differs("MXR", effect(MXR), "both"),
      )
    },
  },
]
