/** Which policy schedules, another one for it, and what another would do: the machine goes on meanwhile. */
import { act, look } from "./api.ts"
import { choices, part, reason, redraw, say, table } from "./elements.ts"
import type { MachineData, ShadowData } from "./machine-data.ts"

interface Policy {
  readonly name: string
  readonly summary: string
}

/** A trial from the page is so long: some seconds of a machine at the usual pace. */
const SHADOW_SLICES = 50
/** First differences that are shown. */
const SHOWN_MAX = 6

let machine: MachineData | null = null

export async function startSchedulerPanel(onSwapped: () => void): Promise<void> {
  const choice = part("policy") as HTMLSelectElement
  const { policies } = await look<{ policies: readonly Policy[] }>("/api/policies")
  choices(
    choice,
    policies.map(({ name, summary }) => [name, summary]),
  )
  part("swap").addEventListener("click", () => void swap(choice.value, onSwapped))
  part("shadow").addEventListener("click", () => void tryInShadow(choice.value))
}

/** What is chosen to take over, and what schedules now. */
export function chosenPolicies(): readonly string[] {
  const now = machine?.hypervisor?.policy
  return [...new Set([(part("policy") as HTMLSelectElement).value, ...(now === undefined ? [] : [now])])]
}

/** `isReplaced`: another program runs in place of our schedulers (`--replace`), and plays our policies by name. */
export function drawScheduler(now: MachineData, isReplaced = false): void {
  const isFirst = machine === null
  machine = now
  const { policy, epoch } = now.hypervisor ?? { policy: "?", epoch: 0 }
  say(part("policy-now"), `${schedulerOf(now, isReplaced)} ${now.machine} (epoch ${epoch})`)
  const choice = part("policy") as HTMLSelectElement
  if (isFirst && policy !== "?") choice.value = policy
  const shadow = now.hypervisor?.shadow ?? null
  redraw(part("shadow-report"), shadow, () => (shadow === null ? [] : reportOf(shadow)))
}

/** A policy that was ejected schedules nothing. */
function schedulerOf({ hypervisor }: MachineData, isReplaced: boolean): string {
  const { policy = "?", fallback = false, fallbackAsked = false, seats = [{ seat: "" }] } = hypervisor ?? {}
  const isOurs = seats.some(({ seat }) => seat === "" || seat === "set1")
  if (!fallback) return isReplaced && isOurs ? `the program of --replace, as ${policy}, schedules` : `${policy} schedules`
  return `${fallbackAsked ? "as was asked for" : `${policy} was ejected`}, the nodes themselves schedule`
}

function reportOf(shadow: ShadowData): readonly Node[] {
  const { policy, state, reason: why, periods, same, differences, first, untilTick } = shadow
  const told = document.createElement("p")
  const counts = Object.entries(differences).flatMap(([kind, count]) => (count > 0 ? [`${count} ${kind}`] : []))
  const outcome = { "under way": `until tick ${untilTick}`, passed: "it decides as it should", rejected: `it may not take over: ${why}` }[
    state
  ]
  told.textContent = `${policy} in shadow, ${outcome}. ${periods} choices, ${same} the same${counts.length > 0 ? `; ${counts.join(", ")}` : ""}`
  if (first.length === 0) return [told]
  const rows = first
    .slice(0, SHOWN_MAX)
    .map(({ tick, cpu, active, shadow: other, difference }) => [
      String(tick),
      String(cpu),
      active ?? "nothing",
      other ?? "nothing",
      difference,
    ])
  return [told, table("first differences of the shadow", ["tick", "CPU", "in force", "in shadow", "difference"], rows)]
}

async function tryInShadow(policy: string): Promise<void> {
  const told = part("swap-told")
  if (machine === null) return say(told, "no machine is running", "bad")
  const { machine: name } = machine
  try {
    const wish = { policy, shadowSlices: SHADOW_SLICES, shadowOnly: true }
    await act("PUT", `/v1/machines/${encodeURIComponent(name)}/policy`, wish)
    say(told, `${policy} hears all for ${SHADOW_SLICES} slices; nothing that it decides is done`)
  } catch (error) {
    say(told, reason(error), "bad")
  }
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
    setTimeout(onSwapped, 2500)
  } catch (error) {
    say(told, reason(error), "bad")
  }
}
