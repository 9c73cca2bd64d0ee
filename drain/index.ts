// The drain engine: stops a process's servers without losing a request, and has them listen again. It runs inside an app, for the
// agent and for the lifecycle that an app imports.

export { budgetMsOf, exitDeadlineMs, LAST_WRITE_MS, suggestedKillTimeoutMs } from './budget.ts';
export { createDrainEngine } from './engine.ts';
export { holderOf, takeEngine } from './processEngine.ts';
export { defaultGraceMs } from './schedule.ts';
export { createInsistence, EXIT_SIGNALS, type ExitSignal, SHUTDOWN_MESSAGE } from './signals.ts';
export { requestLines, suggestionFor, summaryOf } from './summary.ts';
export type { DrainEngine, DrainOptions, DrainResult, OwnSocket, RequestLine } from './types.ts';
