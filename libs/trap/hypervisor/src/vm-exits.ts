/**
 * Exits of VMs whose exits are handled here and not in their node (`--trap-path bus`): the same handler on the state that came with the
 * question. Nothing is kept between two of them, so a repeat is answered alike and a new life of this hypervisor goes on with the next.
 */
import { noteSpan, send } from "@backplane/foundation-actor/effects"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { answerAbout } from "@backplane/trap-vmm/remote-exit"
import type { VmExit } from "@backplane/trap-contract/vm-exit-messages"
import type { Out } from "./hypervisor-context.ts"

export class VmExits {
  #handled = 0
  /** By who did it. */
  #left = 0

  onExit({ vm, life, vcpu, sequence, node, step, ...question }: VmExit, out: Out): void {
    const answer = answerAbout(question)
    this.#handled++
    if (answer.by === "node") this.#left++
    const cause = answer.by === "hypervisor" ? answer.cause : question.exit.kind
    if (step !== undefined)
      out.push(noteSpan("vmm.exit", { "backplane.vm": vm, "backplane.vcpu": vcpu, "backplane.cause": cause, "backplane.step": step }))
    out.push(send(nodeActor(node), { kind: "VmEntry", vm, life, vcpu, sequence, answer }))
  }

  inspect(): { readonly handled: number; readonly leftToNodes: number } {
    return { handled: this.#handled, leftToNodes: this.#left }
  }
}
