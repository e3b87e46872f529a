/**
 * The dashboards' queries put to a real Prometheus that has scraped a running stack: does it take each of them, and does each bring something?
 *
 * What `live-check.ts` cannot see by names alone: a join whose labels do not match, a type that a function does not take, a rate over nothing.
 */
import type { DashboardModel } from "./dashboard-model.ts"
import { rarity, type LiveFindings } from "./live-check.ts"
import { seriesOf } from "./queries.ts"

export type PrometheusAnswer = { readonly samples: number } | { readonly error: string }

/** Asks for the value of an expression now. */
export type AskPrometheus = (expression: string) => Promise<PrometheusAnswer>

/** What a label selects → what must happen before there is such a value; the series itself is there in a sound run. */
const RARE_SELECTIONS: readonly (readonly [string, string])[] = [['outcome=~"lost|restarted"', "a task was lost with its node"]]

export async function prometheusFindings(dashboards: ReadonlyMap<string, DashboardModel>, ask: AskPrometheus): Promise<LiveFindings> {
  const missing: string[] = []
  const rare: string[] = []
  for (const [board, { panels }] of dashboards) {
    for (const { title, targets } of panels) {
      for (const { datasource, expression } of targets) {
        if (datasource !== "prometheus") continue
        const answer = await ask(asGrafanaPutsIt(expression))
        if ("samples" in answer && answer.samples > 0) continue
        const where = `${board}: panel "${title}"`
        const when = rareBecause(expression)
        if ("error" in answer) missing.push(`${where}: Prometheus refuses ${expression}: ${answer.error}`)
        else if (when === undefined) missing.push(`${where}: ${expression} brings nothing`)
        else rare.push(`${where}: something to see when ${when}`)
      }
    }
  }
  return { missing, rare }
}

function rareBecause(expression: string): string | undefined {
  const ofSelection = RARE_SELECTIONS.find(([selection]) => expression.includes(selection))?.[1]
  return ofSelection ?? seriesOf(expression).flatMap((name) => rarity(name) ?? [])[0]
}

/** Grafana's own variables as with a scrape each second; every other variable stands for all of its values. */
export function asGrafanaPutsIt(expression: string): string {
  return expression
    .replaceAll("$__rate_interval", "15s")
    .replaceAll("$__interval", "15s")
    .replaceAll("$__range", "1h")
    .replace(/\$\{?\w+\}?/g, ".*")
}
