/** Laws of traps, returns and interrupts. */
import { Slot } from "../csr-file.ts"
import { ECALL, EBREAK, MRET, SRET, WFI } from "../execute-system.ts"
import { MACHINE, SUPERVISOR, USER, type Privilege } from "../privilege.ts"
import { MIE, MPIE, MPP, MPP_SHIFT, MPRV, SIE, SPIE, SPP, TSR, TW } from "../status.ts"
import { differs, firstOf, HANDLER, hartIn, HERE, isIllegal, look, put, run, START, type Law, type PrivilegedModel } from "./laws.ts"

const SSI = 1n << 1n
const STI = 1n << 5n
const ALL_LINES = (1n << 3n) | (1n << 7n) | (1n << 9n) | (1n << 11n)

export const TRAP_LAWS: readonly Law[] = [
  {
    name: "an environment call carries the cause of its level and the value 0; a breakpoint carries its address",
    broken: (model: PrivilegedModel): string | null => {
      const causes: readonly (readonly [Privilege, number])[] = [
        [USER, 8],
        [SUPERVISOR, 9],
        [MACHINE, 11],
      ]
      for (const [level, cause] of causes) {
        const call = run(model, hartIn(level), ECALL)
        if (call.kind !== "exception") return `ecall became ${call.kind}`
        const wrong = firstOf(differs("cause", call.cause, cause), differs("value", call.value, 0n))
        if (wrong !== null) return `ecall at level ${level}: ${wrong}`
      }
      const stop = run(model, hartIn(USER), EBREAK)
      return stop.kind === "exception" ? firstOf(differs("cause", stop.cause, 3), differs("value", stop.value, HERE)) : stop.kind
    },
  },
  {
    name: "only what may be delegated can be: not ecall from M, no machine interrupt",
    broken: (model: PrivilegedModel): string | null => {
      const file = hartIn(MACHINE)
      put(model, file, "medeleg", 0xffff_ffff_ffff_ffffn)
      put(model, file, "mideleg", 0xffff_ffff_ffff_ffffn)
      return firstOf(
        differs("medeleg", look(model, file, "medeleg"), 0xf00_b3ffn),
        differs("mideleg", look(model, file, "mideleg"), 0x222n),
      )
    },
  },
  {
    name: "a delegated trap goes to S from below, and stays in M when it comes from M",
    broken: (model: PrivilegedModel): string | null => {
      for (const level of [USER, SUPERVISOR, MACHINE] as const) {
        const file = hartIn(level)
        file.set(Slot.medeleg, 0xf00_b3ffn)
        const pc = model.enter(file, { cause: 13, interrupt: false, value: 0x1234n, pc: HERE })
        const machine = level === MACHINE
        const wrong = firstOf(
          differs("handler", pc, machine ? HANDLER : HANDLER + 0x100n),
          differs("level", file.get(Slot.privilege), machine ? 3n : 1n),
          differs("epc", file.get(machine ? Slot.mepc : Slot.sepc), HERE),
          differs("tval", file.get(machine ? Slot.mtval : Slot.stval), 0x1234n),
          differs("cause", file.get(machine ? Slot.mcause : Slot.scause), 13n),
        )
        if (wrong !== null) return `from level ${level}: ${wrong}`
      }
      return null
    },
  },
  {
    name: "a trap pushes the enable and clears it, whatever was on the stack",
    broken: (model: PrivilegedModel): string | null => {
      for (const enables of [0n, SIE, SPIE, SIE | SPIE]) {
        const file = hartIn(SUPERVISOR)
        file.set(Slot.medeleg, 0xf00_b3ffn)
        file.set(Slot.mstatus, file.get(Slot.mstatus) | enables)
        model.enter(file, { cause: 8, interrupt: false, value: 0n, pc: HERE })
        const wanted = SPP | ((enables & SIE) !== 0n ? SPIE : 0n)
        const wrong = differs(`stack after ${enables}`, file.get(Slot.mstatus) & (SIE | SPIE | SPP), wanted)
        if (wrong !== null) return wrong
      }
      return null
    },
  },
  {
    name: "sret pops: SIE from SPIE, SPIE one, SPP user",
    broken: (model: PrivilegedModel): string | null => {
      for (const enables of [0n, SPIE, SIE, SIE | SPIE]) {
        const file = hartIn(SUPERVISOR)
        file.set(Slot.mstatus, file.get(Slot.mstatus) | SPP | enables)
        file.set(Slot.sepc, HERE + 8n)
        const outcome = run(model, file, SRET)
        const wanted = SPIE | ((enables & SPIE) !== 0n ? SIE : 0n)
        const wrong = firstOf(
          differs("pc", outcome.kind === "return" ? outcome.pc : null, HERE + 8n),
          differs("stack", file.get(Slot.mstatus) & (SIE | SPIE | SPP), wanted),
          differs("level", file.get(Slot.privilege), 1n),
        )
        if (wrong !== null) return wrong
      }
      return null
    },
  },
  {
    name: "mret pops to a legal level, sets MPIE, empties MPP and ends MPRV below M",
    broken: (model: PrivilegedModel): string | null => {
      for (const level of [USER, SUPERVISOR, MACHINE] as const) {
        const file = hartIn(MACHINE)
        file.set(Slot.mstatus, file.get(Slot.mstatus) | (BigInt(level) << MPP_SHIFT) | MPRV | MPIE)
        run(model, file, MRET)
        const status = file.get(Slot.mstatus)
        const wrong = firstOf(
          differs("level", file.get(Slot.privilege), BigInt(level)),
          differs("MPP", status & MPP, 0n),
          differs("enables", status & (MIE | MPIE), MIE | MPIE),
          differs("MPRV", (status & MPRV) !== 0n, level === MACHINE),
        )
        if (wrong !== null) return `to level ${level}: ${wrong}`
      }
      const file = hartIn(MACHINE)
      put(model, file, "mstatus", MPP)
      put(model, file, "mstatus", 2n << MPP_SHIFT)
      return differs("MPP after the reserved level", look(model, file, "mstatus") & MPP, MPP)
    },
  },
  {
    name: "returns and wfi obey level, TSR and TW",
    broken: (model: PrivilegedModel): string | null => {
      const trapped = hartIn(SUPERVISOR)
      trapped.set(Slot.mstatus, trapped.get(Slot.mstatus) | TSR | TW)
      return firstOf(
        differs("mret in S illegal", isIllegal(run(model, hartIn(SUPERVISOR), MRET)), true),
        differs("sret in U illegal", isIllegal(run(model, hartIn(USER), SRET)), true),
        differs("sret under TSR illegal", isIllegal(run(model, trapped, SRET)), true),
        differs("wfi under TW illegal", isIllegal(run(model, trapped, WFI)), true),
        differs("wfi in U illegal", isIllegal(run(model, hartIn(USER), WFI)), true),
        differs("wfi in S", run(model, hartIn(SUPERVISOR), WFI).kind, "wait"),
      )
    },
  },
  {
    name: "an interrupt that sret unmasks is taken before the next instruction",
    broken: (model: PrivilegedModel): string | null => {
      const file = hartIn(SUPERVISOR)
      file.set(Slot.mideleg, SSI)
      file.set(Slot.mie, SSI)
      file.set(Slot.mipSoftware, SSI)
      file.set(Slot.mstatus, file.get(Slot.mstatus) | SPP | SPIE)
      const before = model.interrupt(file, START)
      run(model, file, SRET)
      return firstOf(differs("before sret", before, null), differs("after sret", model.interrupt(file, START), 1))
    },
  },
  {
    name: "below its level an interrupt is always on, above it always off",
    broken: (model: PrivilegedModel): string | null => {
      const seen = ([USER, SUPERVISOR, MACHINE] as const).map((level) => {
        const file = hartIn(level)
        file.set(Slot.mideleg, SSI)
        file.set(Slot.mie, SSI)
        file.set(Slot.mipSoftware, SSI)
        return model.interrupt(file, START)
      })
      return differs("U, S, M without SIE", seen.join(), "1,,")
    },
  },
  {
    name: "simultaneous interrupts come in the order MEI MSI MTI SEI SSI STI, machine level first",
    broken: (model: PrivilegedModel): string | null => {
      const file = hartIn(USER)
      file.set(Slot.mideleg, 0x222n)
      file.set(Slot.mie, 0xaaan)
      file.set(Slot.lines, ALL_LINES)
      file.set(Slot.mipSoftware, SSI | STI)
      const order: (number | null)[] = []
      for (let turn = 0; turn < 6; turn += 1) {
        const next = model.interrupt(file, START)
        order.push(next)
        file.set(Slot.mie, file.get(Slot.mie) & ~(1n << BigInt(next ?? 0)))
      }
      return differs("order", order.join(), "11,3,7,9,1,5")
    },
  },
  {
    name: "with Sstc STIP is a comparison that no write can change; without it M-mode writes it",
    broken: (model: PrivilegedModel): string | null => {
      const file = hartIn(MACHINE)
      put(model, file, "mip", STI)
      const written = look(model, file, "mip") & STI
      put(model, file, "menvcfg", 1n << 63n)
      put(model, file, "mip", STI)
      const early = look(model, file, "mip") & STI
      put(model, file, "stimecmp", START.time)
      put(model, file, "mip", 0n)
      return firstOf(
        differs("without Sstc", written, STI),
        differs("before stimecmp", early, 0n),
        differs("at stimecmp", look(model, file, "mip") & STI, STI),
      )
    },
  },
  {
    name: "a csrrs of mip never makes a wire stick",
    broken: (model: PrivilegedModel): string | null => {
      const file = hartIn(MACHINE)
      const seip = 1n << 9n
      file.set(Slot.lines, seip)
      const outcome = run(model, file, 0x3443_2073, SSI)
      file.set(Slot.lines, 0n)
      return firstOf(differs("kind", outcome.kind, "next"), differs("mip after the wire fell", look(model, file, "mip"), SSI))
    },
  },
  {
    name: "vectored mode spreads interrupts, not exceptions",
    broken: (model: PrivilegedModel): string | null => {
      const file = hartIn(USER)
      file.set(Slot.mtvec, HANDLER | 1n)
      const exception = model.enter(file, { cause: 7, interrupt: false, value: 0n, pc: HERE })
      const interrupt = model.enter(file, { cause: 7, interrupt: true, value: 0n, pc: HERE })
      return firstOf(
        differs("exception", exception, HANDLER),
        differs("interrupt", interrupt, HANDLER + 28n),
        differs("mcause", file.get(Slot.mcause), (1n << 63n) | 7n),
      )
    },
  },
]
