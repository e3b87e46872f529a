/** Views of tasks for laws that talk to a policy directly. */
import type { TaskView } from "@backplane/schedule-contract/task-view"

export function viewOf(task: string, about: Partial<TaskView> = {}): TaskView {
  return {
    task,
    taskSeq: 1,
    ordinal: 0,
    node: 0,
    affinity: [],
    workingSet: 0,
    runtime: 0,
    lastCpu: null,
    warm: false,
    requestedRun: 0,
    ...about,
  }
}
