// Tells what the agent knows of its process. Changes nothing.
import type { Actions } from '../context.ts';

export const opsStatus: Actions['ops-status'] = async (
  _params,
  { engine, options, kept, state, graceful, memoryTrend },
) => {
  const { connections, inFlight } = engine.totals();
  return {
    state,
    version: options.version,
    servers: engine.servers(),
    connections,
    inFlight,
    keepAlive: engine.keepAlive(),
    graceful,
    uptime: Math.round(process.uptime()),
    memory: process.memoryUsage(),
    trend: memoryTrend(),
    node: process.version,
    kept,
  };
};
