/**
 * What a group has committed, and what that made: the registers as they are after the last entry that was applied.
 *
 * Only commits and applies; when an entry may be committed is decided by its leader (consensus-group.ts, C2).
 */
import type { Command, Snapshot } from "@backplane/kv-contract/consensus-items"
import { LOG_WEIGHT_MIN, type ConsensusLog } from "./consensus-log.ts"
import { RegisterMachine, type Applied } from "./register-machine.ts"

export class CommittedRegisters {
  readonly #machine: RegisterMachine
  #commit = 0
  #applied = 0
  #epoch = 0

  constructor(base: Snapshot, remembersCommands: boolean) {
    this.#machine = new RegisterMachine(remembersCommands)
    this.restore(base)
  }

  /** Highest index that is known to be committed. Only grows (C2). */
  get commit(): number {
    return this.#commit
  }

  get applied(): number {
    return this.#applied
  }

  /** The latest configuration that a committed entry names: what was committed before it, whoever holds the partition then has. */
  get epoch(): number {
    return this.#epoch
  }

  read(bucket: string, key: string): string | null {
    return this.#machine.read(bucket, key)
  }

  registers(): readonly (readonly [place: string, value: string])[] {
    return this.#machine.registers()
  }

  /** Of the commands that one of now would come after: those remembered, and those in the log that are not applied yet. */
  requesters(log: ConsensusLog): readonly string[] {
    return [...this.#machine.requesters(), ...log.after(this.#applied, Infinity).map(({ command }) => command.requester)]
  }

  /** Applies what is committed, each entry once, in their order (C3); gives the commands of requesters and what came of them. */
  commitUpTo(index: number, log: ConsensusLog): readonly { readonly command: Command; readonly result: Applied }[] {
    const done: { command: Command; result: Applied }[] = []
    this.#commit = Math.max(this.#commit, index)
    while (this.#applied < this.#commit) {
      this.#applied++
      const { command } = log.entry(this.#applied)
      this.#epoch = Math.max(this.#epoch, command.epoch ?? 0)
      if (command.sequence !== 0) done.push({ command, result: this.#machine.apply(command) })
    }
    return done
  }

  /** What may stand in for the log up to what is applied, where that is shorter by enough to be worth it; else null. */
  shorterThan(log: ConsensusLog): Snapshot | null {
    if (log.weight <= LOG_WEIGHT_MIN + this.#machine.weight || this.#applied <= log.base.index) return null
    return { ...this.#machine.snapshot(this.#applied, log.termAt(this.#applied) ?? 0), epoch: this.#epoch }
  }

  /** As another had it. */
  restore(snapshot: Snapshot): void {
    this.#machine.restore(snapshot)
    this.#epoch = Math.max(this.#epoch, snapshot.epoch ?? 0)
    this.#commit = snapshot.index
    this.#applied = snapshot.index
  }
}
