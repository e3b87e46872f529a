/** The condition of a litmus test over a final state: registers as `thread:register=value`, variables as `name=value`, /\, \/, ~, not. */
import { registerNumber } from "./litmus-instruction.ts"

export interface FinalState {
  /** Unsigned 64 bits; null: not known. */
  register(thread: number, register: number): bigint | null
  /** Unsigned, and how many bits it has. */
  variable(name: string): { readonly value: bigint; readonly bits: number } | null
}

export interface Condition {
  readonly text: string
  readonly variables: readonly string[]
  holds(state: FinalState): boolean
}

type Test = (state: FinalState) => boolean

export function parseCondition(source: string): Condition {
  const text = source.trim()
  const tokens = text.match(/\\\/|\/\\|[()~=[\]]|\d+:\w+|-?0x[0-9a-fA-F]+|-?\d+|\w+/g) ?? []
  const variables = new Set<string>()
  let at = 0
  const take = (): string => tokens[at++] ?? ""
  const demand = (token: string): void => {
    if (take() !== token) throw new Error(`condition: ${token} is missing in ${text.slice(0, 80)}`)
  }
  const either = (): Test => {
    let test = both()
    while (tokens[at] === "\\/") {
      at += 1
      const [left, right] = [test, both()]
      test = (state) => left(state) || right(state)
    }
    return test
  }
  const both = (): Test => {
    let test = single()
    while (tokens[at] === "/\\") {
      at += 1
      const [left, right] = [test, single()]
      test = (state) => left(state) && right(state)
    }
    return test
  }
  const single = (): Test => {
    const token = take()
    if (token === "(") {
      const test = either()
      demand(")")
      return test
    }
    if (token === "~" || token === "not") {
      const test = single()
      return (state) => !test(state)
    }
    if (token === "true") return () => true
    const isBracketed = token === "["
    const name = isBracketed ? take() : token
    if (isBracketed) demand("]")
    demand("=")
    const number = take()
    // An address: it is another in the machine than in the enumeration.
    if (!/^-?(0x[0-9a-fA-F]+|\d+)$/.test(number)) throw new Error(`condition: ${number} is no number in ${text.slice(0, 80)}`)
    const value = number.startsWith("-") ? -BigInt(number.slice(1)) : BigInt(number)
    const [thread, register] = name.split(":")
    if (register !== undefined) {
      const index = registerNumber(register)
      if (index === null) throw new Error(`condition: there is no register ${register}`)
      return (state) => state.register(Number(thread), index) === BigInt.asUintN(64, value)
    }
    variables.add(name)
    return (state) => {
      const found = state.variable(name)
      return found !== null && found.value === BigInt.asUintN(found.bits, value)
    }
  }
  const test = either()
  return { text, variables: [...variables], holds: test }
}
