/** All messages of the scheduling subsystem by kind: for validation at the edge and for the catalogue. */
import { SchedulerFailure, SchedulerFault } from "./failure-messages.ts"
import { NodeUp, SchedulerAttach, SchedulerCommit, SchedulerEvents, SchedulerVerdicts } from "./scheduler-messages.ts"
import { OfferAnswer, OfferAsk, StealAsk, StealDone, StealNone, StealToken } from "./steal-messages.ts"

export const scheduleMessages = {
  SchedulerAttach,
  SchedulerEvents,
  SchedulerCommit,
  SchedulerVerdicts,
  NodeUp,
  StealAsk,
  StealNone,
  OfferAsk,
  OfferAnswer,
  StealToken,
  StealDone,
  SchedulerFailure,
  SchedulerFault,
} as const
