/** Asks the gateway. Reading needs no token; what acts sends the operator's, which stays in this tab. */

export class Refused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const KEY = "backplane-token"

export function token(): string {
  return sessionStorage.getItem(KEY) ?? ""
}

export function keepToken(text: string): void {
  if (text === "") sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, text)
}

/** A token in the address (`#token=…`) is taken out of it at once: it must not stay in the history. */
export function takeTokenFromAddress(): void {
  const found = /[#&]token=([\w-]+)/.exec(location.hash)?.[1]
  if (found === undefined) return
  keepToken(found)
  history.replaceState(null, "", location.pathname + location.search)
}

export async function look<T>(path: string): Promise<T> {
  return answer<T>(await fetch(path, { headers: headers() }))
}

export async function act<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T> {
  const json = body === undefined ? {} : { body: JSON.stringify(body) }
  return answer<T>(await fetch(path, { method, headers: { ...headers(), "content-type": "application/json" }, ...json }))
}

export function headers(): Record<string, string> {
  return token() === "" ? {} : { authorization: `Bearer ${token()}` }
}

async function answer<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T
  throw new Refused(response.status, await reasonOf(response))
}

/** Why the gateway says no, in its own words, with the remedy. */
export async function reasonOf(response: Response): Promise<string> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string; remedy?: string }
  return [problem.detail ?? response.statusText, problem.remedy].filter((part) => part !== undefined).join(": ")
}
