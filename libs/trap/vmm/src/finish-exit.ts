/** Carries an answer of the VMM out on the engine: the instruction that left is finished as it says. */
import type { Engine } from "@backplane/compute-contract/engine"
import type { Entry, Request } from "./entry.ts"

/** True if the instruction retired. */
export function finishExit(engine: Engine, cpu: number, { step }: Entry | Request): boolean {
  switch (step.kind) {
    case "retry":
      return false
    case "trap":
      for (const { register, value } of step.registers) engine.writeRegister(cpu, register, value)
      engine.writePc(cpu, step.pc)
      return false
    case "next":
      for (const { register, value } of step.registers) engine.writeRegister(cpu, register, value)
      engine.completeSystem(cpu, step.result ?? undefined)
      return true
    case "jump":
      engine.completeJump(cpu, step.pc)
      return true
    case "load":
      engine.completeLoad(cpu, step.value)
      return true
    case "store":
      engine.completeStore(cpu)
      return true
  }
}
