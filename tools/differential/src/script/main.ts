/**
 * `node tools/differential/src/script/main.ts [scripts] [first seed]`: privileged sequences, the native machine against qemu-system-riscv64.
 *
 * Prints each difference, and the fingerprints of scripts that agreed: those of script.test.ts come from here. Not part of CI.
 */
import { Random } from "@backplane/foundation-base/random"
import { firstDifference, outputFingerprint, runInSystemQemu, runOnBoard, scriptImage, systemQemuInstalled } from "./run-script.ts"
import { ENTRIES_MAX, makeScript, type Script } from "./make-script.ts"

export function scriptOf(seed: number): Script {
  return makeScript(new Random(`privileged/${seed}`), ENTRIES_MAX)
}

function main(args: readonly string[]): number {
  const [scripts = "100", first = "1"] = args
  if (!systemQemuInstalled()) {
    console.error("qemu-system-riscv64 is not installed (Debian: apt-get install qemu-system-misc)")
    return 2
  }
  let different = 0
  for (let seed = Number(first); seed < Number(first) + Number(scripts); seed += 1) {
    const script = scriptOf(seed)
    const file = scriptImage(script)
    const ours = runOnBoard(file)
    const difference = firstDifference(script, ours, runInSystemQemu(file))
    console.log(JSON.stringify(difference === undefined ? { seed, fingerprint: outputFingerprint(ours) } : { seed, difference }))
    if (difference !== undefined) different += 1
  }
  console.log(JSON.stringify({ scripts: Number(scripts), instructions: Number(scripts) * ENTRIES_MAX, different }))
  return different === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
