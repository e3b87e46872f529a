/** `backplane disk create | list | clone | snapshot | read | release | delete | sweep`: disks in the key-value store, for `vm create --disk kv:<name>`. */
import { writeFileSync } from "node:fs"
import type { Command } from "commander"
import { readFile } from "../guest-file.ts"
import { bytes } from "../number-flags.ts"
import { fileToWrite } from "../output-file.ts"
import { storeOf } from "../store-client.ts"
import { StoreDisks } from "../store-disks.ts"

interface Flags {
  readonly json?: true
}

const MIB = 2 ** 20

export function register(program: Command): void {
  const disk = program.command("disk").description("disks and images in the replicated store, named kv:<name> elsewhere")
  const json = (command: Command): Command => command.option("--json", "print JSON")
  json(disk.command("create").description("make one: from a file, or of zeros").argument("<name>"))
    .option("--from <file>", "what is on it at first")
    .option("--size <bytes>", "such as 64M; left out: as large as the file", bytes)
    .action(async (name: string, flags: Flags & { readonly from?: string; readonly size?: number }, command: Command) => {
      const data = flags.from === undefined ? new Uint8Array(0) : readFile(flags.from, "--from")
      const size = flags.size ?? data.length
      await disksOf(command).create(name, { bytes: size, data })
      tell(flags, { disk: name, bytes: size }, `kv:${name} has ${size} bytes`)
    })
  json(disk.command("list").description("the disks there are")).action(async (flags: Flags, command: Command) => {
    const disks = await disksOf(command).list()
    if (flags.json === true) return console.log(JSON.stringify({ disks }))
    if (disks.length === 0) console.log("there are no disks in the store; `backplane disk create` makes one")
    for (const { name, bytes: size, kind, origin, owner } of disks) {
      const notes = [origin === null ? "" : `of ${origin}`, owner === null ? "" : `used by ${owner}`]
        .filter((note) => note !== "")
        .join(", ")
      console.log(`${name.padEnd(24)} ${kind.padEnd(9)} ${(size / MIB).toFixed(1).padStart(9)} MiB  ${notes}`.trimEnd())
    }
  })
  for (const kind of ["clone", "snapshot"] as const)
    json(
      disk
        .command(kind)
        .description(
          kind === "clone"
            ? "another disk with the same content; neither sees what is written to the other"
            : "as it is now, never written again; clone it to use it",
        )
        .argument("<from>")
        .argument("<to>"),
    ).action(async (from: string, to: string, flags: Flags, command: Command) => {
      await disksOf(command).copy(from, to, kind)
      tell(flags, { disk: to, origin: from, kind }, `kv:${to} is a ${kind} of kv:${from}`)
    })
  json(
    disk
      .command("read")
      .description("write what is on it to a file")
      .argument("<name>")
      .argument("<file>", "not there, or written over", fileToWrite),
  ).action(async (name: string, file: string, flags: Flags, command: Command) => {
    const data = await disksOf(command).read(name)
    writeFileSync(file, data)
    tell(flags, { disk: name, bytes: data.length }, `${data.length} bytes of kv:${name} are in ${file}`)
  })
  json(disk.command("release").description("take it from a VM that is gone for good").argument("<name>")).action(
    async (name: string, flags: Flags, command: Command) => {
      const owner = await disksOf(command).release(name)
      tell(flags, { disk: name, owner }, owner === null ? `kv:${name} was free` : `kv:${name} is taken from ${owner}`)
    },
  )
  json(disk.command("delete").description("forget it; `sweep` gives its room back").argument("<name>")).action(
    async (name: string, flags: Flags, command: Command) => {
      await disksOf(command).delete(name)
      tell(flags, { disk: name }, `kv:${name} is gone`)
    },
  )
  json(disk.command("sweep").description("remove blocks that no disk names any more")).action(async (flags: Flags, command: Command) => {
    const { blocks, removed } = await disksOf(command).sweep()
    tell(flags, { blocks, removed }, `${removed} of ${blocks} blocks removed`)
  })
}

function disksOf(command: Command): StoreDisks {
  return new StoreDisks(storeOf(command))
}

function tell(flags: Flags, report: object, line: string): void {
  console.log(flags.json === true ? JSON.stringify(report) : line)
}
