/** Starts and stops the container through whatever compose there is; says plainly what is missing and how to get it. */

export interface Ran {
  /** Null where the command does not exist. */
  readonly code: number | null
  readonly output: string
}

/** Runs a command to its end; `isShown` lets it write to the terminal. */
export type Run = (command: readonly string[], isShown: boolean) => Ran

export type Outcome = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly remedy: string }

const COMPOSES: readonly (readonly string[])[] = [["docker", "compose"], ["docker-compose"]]

export function compose(run: Run, file: string, verb: readonly string[]): Outcome {
  const engine = run(["docker", "info"], false)
  if (engine.code === null)
    return { ok: false, reason: "there is no docker command", remedy: "install a docker engine (docs.docker.com/engine/install)" }
  if (engine.code !== 0)
    return {
      ok: false,
      reason: `no docker engine answers: ${lastLine(engine.output)}`,
      remedy: "start the engine, or look whether you may use its socket",
    }
  const command = COMPOSES.find((each) => run([...each, "version"], false).code === 0)
  if (command === undefined)
    return { ok: false, reason: "docker has no compose", remedy: "install the docker compose plugin (Debian: docker-compose)" }
  const done = run([...command, "-f", file, ...verb], true)
  return done.code === 0
    ? { ok: true }
    : { ok: false, reason: `${command.join(" ")} ${verb.join(" ")} failed`, remedy: "its own message is above" }
}

function lastLine(output: string): string {
  return output.trim().split("\n").at(-1) ?? ""
}

/** How the command line says it. */
export function told(outcome: Outcome): { readonly text: string; readonly code: number } {
  if (outcome.ok) return { text: "", code: 0 }
  return {
    text: `grafana: ${outcome.reason}\n  remedy: ${outcome.remedy}\n  without docker: the gateway keeps the last minutes of traces, and \`backplane trace last migration\` shows them`,
    code: 1,
  }
}
