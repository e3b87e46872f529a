/** The exit fields of a state block as an `EngineExit`. */
import { assert, unreachable } from "@backplane/foundation-base/assert"
import { instructionLength } from "@backplane/compute-riscv/decode"
import { ACCESS, EXIT, LAYOUT } from "./layout.ts"
import type { AccessKind, EngineExit } from "@backplane/compute-contract/engine"

const LITTLE = true

/** In the order of their numbers, which begin at 0. */
const EXIT_NUMBERS: readonly ExitNumber[] = Object.values(EXIT)

type ExitNumber = (typeof EXIT)[keyof typeof EXIT]

export function readExit(view: DataView, at: number): EngineExit {
  const word = (offset: number): number => view.getUint32(at + offset, LITTLE)
  const double = (offset: number): bigint => view.getBigUint64(at + offset, LITTLE)
  const pc = double(LAYOUT.PC)
  const retired = word(LAYOUT.EXIT_RETIRED)
  const instruction = word(LAYOUT.EXIT_INSTRUCTION)
  const kind = exitNumber(word(LAYOUT.EXIT_KIND))
  switch (kind) {
    case EXIT.BUDGET:
      return { kind: "budget", pc, retired }
    case EXIT.EXCEPTION:
      return { kind: "exception", pc, retired, cause: word(LAYOUT.EXIT_CAUSE), value: double(LAYOUT.EXIT_VALUE), instruction }
    case EXIT.SYSTEM:
      return { kind: "system", pc, retired, instruction, length: instructionLength(instruction) }
    case EXIT.IO_LOAD: {
      const width = accessWidth(word(LAYOUT.EXIT_WIDTH))
      return {
        kind: "io-load",
        pc,
        retired,
        address: double(LAYOUT.EXIT_ADDRESS),
        virtualAddress: double(LAYOUT.EXIT_VALUE),
        width,
        instruction,
      }
    }
    case EXIT.IO_STORE: {
      const width = accessWidth(word(LAYOUT.EXIT_WIDTH))
      const value = double(LAYOUT.EXIT_DATA)
      return {
        kind: "io-store",
        pc,
        retired,
        address: double(LAYOUT.EXIT_ADDRESS),
        virtualAddress: double(LAYOUT.EXIT_VALUE),
        width,
        value,
        instruction,
      }
    }
    case EXIT.WATCH:
      return { kind: "watch", pc, retired, address: double(LAYOUT.EXIT_ADDRESS) }
    case EXIT.TLB_MISS:
      return {
        kind: "tlb-miss",
        pc,
        retired,
        access: accessKind(word(LAYOUT.EXIT_CAUSE)),
        virtualAddress: double(LAYOUT.EXIT_VALUE),
        instruction,
      }
    case EXIT.STAGE_MISS:
      return { kind: "stage-miss", pc, retired, instruction, ...readMiss(view, at) }
    case EXIT.FRAME:
      return { kind: "frame", pc, retired, instruction, ...readMiss(view, at) }
    default:
      return unreachable(kind)
  }
}

/** Where the last step to a machine address failed. */
function readMiss(
  view: DataView,
  at: number,
): { readonly access: AccessKind; readonly address: bigint; readonly virtualAddress: bigint; readonly write: boolean } {
  return {
    access: accessKind(view.getUint32(at + LAYOUT.EXIT_CAUSE, LITTLE)),
    address: view.getBigUint64(at + LAYOUT.EXIT_ADDRESS, LITTLE),
    virtualAddress: view.getBigUint64(at + LAYOUT.EXIT_VALUE, LITTLE),
    write: view.getUint32(at + LAYOUT.EXIT_WIDTH, LITTLE) === 1,
  }
}

function exitNumber(value: number): ExitNumber {
  const known = EXIT_NUMBERS[value]
  assert(known !== undefined, "an exit has a known kind")
  return known
}

function accessWidth(value: number): 1 | 2 | 4 | 8 {
  assert(value === 1 || value === 2 || value === 4 || value === 8, "an access is 1, 2, 4 or 8 bytes")
  return value
}

function accessKind(value: number): AccessKind {
  return value === ACCESS.FETCH ? "fetch" : value === ACCESS.LOAD ? "load" : "store"
}
