/** Which policy schedules, and another one for it: the machine goes on meanwhile. */
import { act, look } from "./api.ts"
import { part, reason, say } from "./elements.ts"
import type { MachineData } from "./machine-data.ts"

interface Policy {
  readonly name: string
  readonly summary: string
}

let machine: MachineData | null = null

export async function startSchedulerPanel(onSwapped: () => void): Promise<void> {
  const choice = part("policy") as HTMLSelectElement
  const { policies } = await look<{ policies: readonly Policy[] }>("/api/policies")
  choice.replaceChildren(...policies.map(({ name, summary }) => new Option(`${name}: ${summary}`, name)))
  choice.disabled = false
  part("swap").addEventListener("click", () => void swap(choice.value, onSwapped))
}

export function drawScheduler(now: MachineData): void {
  const isFirst = machine === null
  machine = now
  const { policy, epoch } = now.hypervisor ?? { policy: "?", epoch: 0 }
  say(part("policy-now"), `${policy} schedules ${now.machine} (epoch ${epoch})`)
  const choice = part("policy") as HTMLSelectElement
  if (isFirst && policy !== "?") choice.value = policy
}

async function swap(policy: string, onSwapped: () => void): Promise<void> {
  const told = part("swap-told")
  if (machine === null) return say(told, "no machine is running", "bad")
  const { machine: name } = machine
  say(told, `asking ${name} to go over to ${policy}…`)
  try {
    const { epoch } = await act<{ epoch: number }>("PUT", `/v1/machines/${encodeURIComponent(name)}/policy`, { policy })
    say(told, `${policy} takes over with epoch ${epoch}; what runs keeps its slice, what waits is dealt anew`)
    // The trace of it is complete when the nodes have followed.
    setTimeout(onSwapped, 1500)
  } catch (error) {
    say(told, reason(error), "bad")
  }
}
