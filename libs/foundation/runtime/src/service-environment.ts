/**
 * What a service process is told from outside: environment variables, overridden by `--name=value` arguments.
 *
 * | variable | argument | meaning |
 * | --- | --- | --- |
 * | BACKPLANE_NATS_URL, NATS_URL | --nats | where the bus is; default nats://127.0.0.1:4222 |
 * | BACKPLANE_NATS_USER / _PASSWORD | --nats-user / --nats-password | both or none |
 * | BACKPLANE_INSTANCE | --instance | unique name of this process; default `<service>-<pid>` |
 * | BACKPLANE_DATA | --data | folder of persisted state; without it actors that persist are refused |
 * | BACKPLANE_PARENT_PID | --parent-pid | exit when that process is gone |
 * | BACKPLANE_CYCLES_PER_SECOND | --cycles-per-second | pace of `free` machines; default 1,000,000,000 |
 */
export interface ServiceEnvironment {
  readonly natsUrl: string
  readonly natsUser: string | null
  readonly natsPassword: string | null
  readonly instance: string
  readonly dataFolder: string | null
  readonly parentPid: number | null
  readonly cyclesPerSecond: number
}

/** Bad configuration: names the setting and the remedy. Apps print `message` and exit with 2. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError"
}

const INSTANCE = /^[a-z0-9][a-z0-9-]{0,31}$/

export function readServiceEnvironment(
  service: string,
  environment: Readonly<Record<string, string | undefined>>,
  args: readonly string[] = [],
  pid = 0,
): ServiceEnvironment {
  const given = (argument: string, ...variables: readonly string[]): string | null => {
    const prefix = `--${argument}=`
    const fromArgs = args.find((each) => each.startsWith(prefix))
    if (fromArgs !== undefined) return fromArgs.slice(prefix.length)
    for (const variable of variables) {
      const value = environment[variable]
      if (value !== undefined && value !== "") return value
    }
    return null
  }
  const natsUser = given("nats-user", "BACKPLANE_NATS_USER")
  const natsPassword = given("nats-password", "BACKPLANE_NATS_PASSWORD")
  if ((natsUser === null) !== (natsPassword === null)) {
    throw new EnvironmentError("BACKPLANE_NATS_USER and BACKPLANE_NATS_PASSWORD belong together: set both or none")
  }
  const instance = given("instance", "BACKPLANE_INSTANCE") ?? `${service}-${pid}`
  if (!INSTANCE.test(instance)) {
    throw new EnvironmentError(`BACKPLANE_INSTANCE is "${instance}": use small letters, digits and dashes, at most 32`)
  }
  return {
    natsUrl: given("nats", "BACKPLANE_NATS_URL", "NATS_URL") ?? "nats://127.0.0.1:4222",
    natsUser,
    natsPassword,
    instance,
    dataFolder: given("data", "BACKPLANE_DATA"),
    parentPid: wholeNumber("BACKPLANE_PARENT_PID", given("parent-pid", "BACKPLANE_PARENT_PID")),
    cyclesPerSecond: wholeNumber("BACKPLANE_CYCLES_PER_SECOND", given("cycles-per-second", "BACKPLANE_CYCLES_PER_SECOND")) ?? 1_000_000_000,
  }
}

function wholeNumber(name: string, text: string | null): number | null {
  if (text === null) return null
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value <= 0) throw new EnvironmentError(`${name} is "${text}": give a whole number above 0`)
  return value
}
