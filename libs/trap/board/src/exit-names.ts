/** Names under which exits are counted. */
import { Exception, Interrupt } from "@backplane/trap-csr/causes"

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

const EXCEPTION_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(Exception).map(([name, cause]) => [cause, kebab(name)]))
const INTERRUPT_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Interrupt).map(([name, cause]) => [cause, `interrupt-${kebab(name)}`]),
)

export function exceptionName(cause: number): string {
  return EXCEPTION_NAMES.get(cause) ?? `exception-${cause}`
}

export function interruptName(cause: number): string {
  return INTERRUPT_NAMES.get(cause) ?? `interrupt-${cause}`
}
