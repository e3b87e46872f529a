/**
 * Runs RV64 guests as tasks of a node: the second implementation of compute/contract's task engine, beside synthetic jobs.
 *
 * Not here: the machine that a guest sees (trap/board), instructions (compute/engine), images (compute/image).
 */
import { assert } from "@backplane/foundation-base/assert"
import { decodeBase64, isBase64 } from "@backplane/foundation-base/base64"
import { captureProblem } from "@backplane/trap-board/capture-check"
import { leavesRoomForDeviceTree } from "@backplane/trap-board/boot"
import type { GuestSpec } from "@backplane/scenario-machine/guest-spec"
import type { EngineTask, TaskEngine, TaskProgress } from "@backplane/compute-contract/task-engine"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"
import type { GuestParts } from "./guest-parts.ts"
import { GuestTask } from "./guest-task.ts"

/** Boards that a node keeps ready; the others are parked as captures. An engine takes several times the guest's memory. */
const BOARDS_MAX = 16

export class GuestEngine implements TaskEngine {
  readonly #parts: GuestParts
  /** Tasks with a board, the one that ran longest ago first. At most BOARDS_MAX. */
  readonly #awake = new Set<GuestTask>()

  constructor(parts: GuestParts) {
    this.#parts = parts
  }

  refusal({ task, guest }: TaskSpec, progress: TaskProgress | null): string | null {
    if (guest === undefined) return `${task} is no guest`
    if (progress?.guest === undefined) return guestRefusal(guest, this.#parts)
    const problem = captureProblem(progress.guest.board, { memoryBytes: guest.memoryBytes, cpus: 1 })
    if (problem !== null) return `guest.board.${problem}`
    return isBase64(progress.guest.console.kept) ? null : "guest.console.kept: no base64"
  }

  open(spec: TaskSpec, progress: TaskProgress | null): EngineTask {
    return new GuestTask({ spec, before: progress?.guest ?? null, parts: this.#parts, keeper: { used: this.#used, gone: this.#gone } })
  }

  readonly #used = (task: GuestTask): void => {
    this.#awake.delete(task)
    this.#awake.add(task)
    if (this.#awake.size <= BOARDS_MAX) return
    const [oldest] = this.#awake
    assert(oldest !== undefined, "there is a task that ran longest ago")
    oldest.park()
    this.#awake.delete(oldest)
  }

  readonly #gone = (task: GuestTask): void => {
    this.#awake.delete(task)
  }
}

function guestRefusal({ image, memoryBytes }: GuestSpec, parts: Pick<GuestParts, "readImage">): string | null {
  if (image === undefined || !isBase64(image)) return "guest.image: it is missing or no base64; give the file of the guest"
  return imageRefusal(decodeBase64(image), memoryBytes, parts)
}

/** Why an image cannot be run with so much RAM, in one line, or null. Asked before anything starts. */
export function imageRefusal(file: Uint8Array, memoryBytes: number, parts: Pick<GuestParts, "readImage">): string | null {
  const read = parts.readImage(file, memoryBytes)
  if ("refusal" in read) return read.refusal
  return leavesRoomForDeviceTree(read, { memoryBytes, cpus: 1 })
    ? null
    : "guest.memoryBytes: the image leaves no room for the device tree at the end of RAM; give more"
}
