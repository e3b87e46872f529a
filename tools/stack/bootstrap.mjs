/**
 * Makes a fresh clone ready: installs the modules when the lock asks for it, checks for Node.js 24, gets a nats-server.
 *
 * Run by npm before `start` and `test`, by whatever Node.js (18 or newer) the system has; plain JavaScript, no module of npm's.
 * Says nothing and takes a few milliseconds when all is there. `--for-tests`: a missing nats-server is a warning.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { findNatsServer } from "./nats-server-lookup.mjs"
import { findNode, nodeHint, ROOT } from "./node-lookup.mjs"

const LOCK = join(ROOT, "package-lock.json")
const INSTALLED = join(ROOT, "node_modules/.package-lock.json")

/** "missing": nothing is installed; "outdated": something in the lock is not; "current". */
function modulesState() {
  if (!existsSync(INSTALLED)) return "missing"
  if (statSync(INSTALLED).mtimeMs >= statSync(LOCK).mtimeMs) return "current"
  // A checkout touches files without changing them: compare before installing for minutes.
  const wanted = JSON.parse(readFileSync(LOCK, "utf8")).packages
  const have = JSON.parse(readFileSync(INSTALLED, "utf8")).packages
  const differs = ([path, { version, link, optional }]) => {
    const found = have[path]
    return found === undefined ? !optional : found.version !== version || found.link !== link
  }
  const outdated = Object.entries(wanted).some((entry) => entry[0].startsWith("node_modules/") && differs(entry))
  if (!outdated) utimesSync(INSTALLED, new Date(), new Date())
  return outdated ? "outdated" : "current"
}

function installModules() {
  const state = modulesState()
  if (state === "current") return
  // `npm ci` on an empty tree proves the lock; on a used one an install changes only what differs and keeps the rest usable.
  const command = state === "missing" ? "ci" : "install"
  say(`installing modules (npm ${command})`)
  const npm = process.env.npm_execpath?.endsWith(".js") ? [process.execPath, process.env.npm_execpath] : ["npm"]
  const run = spawnSync(npm[0], [...npm.slice(1), command, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  })
  if (run.status !== 0) fail(`npm ${command} failed: mend what it says above, then run the command again`)
  utimesSync(INSTALLED, new Date(), new Date())
}

function provideNatsServer(forTests) {
  let found = findNatsServer()
  if (found.kind === "missing" && found.installable && canInstallPackage()) {
    installDebianPackage()
    found = findNatsServer()
  }
  if (found.kind !== "missing") return
  if (forTests) say(`warning: ${found.reason}. Tests that need a server will fail`)
  else fail(found.reason)
}

function canInstallPackage() {
  return process.platform === "linux" && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")
}

/** Installs the package without letting it start its daemon, which would take our port. */
function installDebianPackage() {
  say("installing nats-server (apt-get)")
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  const apt = (...args) =>
    spawnSync("apt-get", ["-o", "DPkg::Lock::Timeout=120", "-qq", ...args], { stdio: ["ignore", "ignore", "inherit"], env })
  const policy = "/usr/sbin/policy-rc.d"
  const ours = !existsSync(policy)
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  try {
    apt("update")
    apt("install", "-y", "--no-install-recommends", "nats-server")
  } finally {
    if (ours) rmSync(policy, { force: true })
  }
  if (existsSync("/run/systemd/system")) spawnSync("systemctl", ["disable", "--now", "nats-server"], { stdio: "ignore", timeout: 20_000 })
}

function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`)
}

function fail(text) {
  say(text)
  process.exit(1)
}

if (Number(process.versions.node.split(".")[0]) < 18) fail(nodeHint())
installModules()
if (findNode() === null) fail(nodeHint())
provideNatsServer(process.argv.includes("--for-tests"))
