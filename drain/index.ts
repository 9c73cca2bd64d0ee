// The drain engine: stops a process's servers without losing a request, and starts them again. For the injected agent
// and for apps that import it; the process it runs in is somebody else's.

export type { ServerInfo, ServingState } from '../contract/standing.ts';
export { marginMs, PM2_KILL_TIMEOUT_MS, suggestedKillTimeoutMs } from './budget.ts';
export { type DrainOptions, type DrainResult, defaultGraceMs, type RequestLine } from './drain.ts';
export { createDrainEngine, type DrainEngine } from './engine.ts';
export { holderOf, takeEngine } from './shared.ts';
export { requestLines, suggestionFor, summaryOf } from './summary.ts';
