/** The nodes of a VM that lies on several, seen from one of them. */
import { nodeOfVcpu } from "@backplane/scenario-machine/vm-span"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"

export class NodeSet {
  readonly #spec: Pick<VmSpec, "span">
  readonly #node: number
  /** Where its devices are. */
  readonly home: number

  constructor(spec: Pick<VmSpec, "span">, node: number) {
    this.#spec = spec
    this.#node = node
    this.home = spec.span?.[0] ?? node
  }

  get isHome(): boolean {
    return this.#node === this.home
  }

  of(vcpu: number): number {
    return nodeOfVcpu(this.#spec, vcpu, this.home)
  }

  isHere(vcpu: number): boolean {
    return this.of(vcpu) === this.#node
  }

  others(): readonly number[] {
    return (this.#spec.span ?? []).filter((node) => node !== this.#node)
  }
}
