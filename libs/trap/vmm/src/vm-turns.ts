/**
 * Whose slice comes next among the VMs of a node that has no scheduler: stride scheduling, each VM by what it has run over its weight.
 *
 * Who was away (waiting, paused, new) comes back with no claim on the time that it did not want. Waldspurger and Weihl 1995.
 * W1: of VMs that always run, each has had its share within one slice.
 */
import type { Vm } from "./vm.ts"

export class VmTurns {
  /** By VM number: instructions run over weight. */
  readonly #passes = new Map<number, number>()
  /** The pass of whoever ran last, before it ran: nobody who can run is behind it. */
  #virtualTime = 0
  #last = 0

  /** Least first; of equals the next after the last. */
  inOrder(vms: readonly Vm[]): readonly Vm[] {
    const rank = ({ number }: Vm): number => (number > this.#last ? number : number + Number.MAX_SAFE_INTEGER / 2)
    return [...vms].sort((left, right) => this.#passOf(left) - this.#passOf(right) || rank(left) - rank(right))
  }

  /** It was chosen and has run; all before it in order could not. */
  ran(vm: Vm, instructions: number): void {
    this.#virtualTime = Math.max(this.#virtualTime, this.#passOf(vm))
    this.#last = vm.number
    this.#passes.set(vm.number, this.#passOf(vm) + instructions / vm.weight())
  }

  forget(vm: Vm): void {
    this.#passes.delete(vm.number)
  }

  #passOf({ number }: Vm): number {
    return Math.max(this.#passes.get(number) ?? 0, this.#virtualTime)
  }
}
