// In a cluster worker a listening server is no libuv handle: only a Map inside Node's cluster module leads to it. The
// in-process inspector can read that Map from the scope of `cluster._getServer`, without opening a port.

import cluster from 'node:cluster';
import type { Session } from 'node:inspector';
import { createRequire } from 'node:module';
import type { ClusterChild, ServerInternals } from './nodeInternals.ts';
import { isServer } from './nodeInternals.ts';

const GATE = Symbol.for('pm2-ops.drain.cluster-handles');

/** Is this process a worker that shares its listening sockets through a primary? */
export function isClusterWorker(): boolean {
  return cluster.isWorker && typeof (cluster as unknown as ClusterChild)._getServer === 'function';
}

/** The servers that listen through the primary; undefined if the inspector does not find them. Blocks for a few milliseconds. */
export function serversInCluster(): ServerInternals[] | undefined {
  let session: Session | undefined;
  const global = globalThis as unknown as Record<symbol, unknown>;
  try {
    const handles = readHandles((it) => {
      session = it;
    });
    if (handles === undefined) return undefined;
    const servers: ServerInternals[] = [];
    for (const handle of handles.values()) {
      for (const symbol of Object.getOwnPropertySymbols(handle)) {
        const owner = (handle as Record<symbol, unknown>)[symbol];
        if (isServer(owner)) servers.push(owner);
      }
    }
    return servers;
  } catch {
    return undefined;
  } finally {
    delete global[GATE];
    try {
      session?.disconnect();
    } catch {
      // The session was never connected.
    }
  }
}

function readHandles(opened: (session: Session) => void): Map<unknown, object> | undefined {
  // Loaded on use, because Node may be built without the inspector.
  const inspector = createRequire(process.execPath)('node:inspector') as typeof import('node:inspector');
  const session = new inspector.Session();
  session.connect();
  opened(session);

  let found: unknown;
  (globalThis as unknown as Record<symbol, unknown>)[GATE] = {
    getServer: (cluster as unknown as ClusterChild)._getServer,
    take: (value: unknown) => {
      found = value;
    },
  };
  const gate = `globalThis[Symbol.for(${JSON.stringify(GATE.description)})]`;
  const gateId = ask(session, 'Runtime.evaluate', { expression: gate }).result.objectId;
  const functionId = ask(session, 'Runtime.evaluate', { expression: `${gate}.getServer` }).result.objectId;
  const scopesId = ask(session, 'Runtime.getProperties', {
    objectId: functionId,
    ownProperties: true,
  }).internalProperties?.find((property) => property.name === '[[Scopes]]')?.value?.objectId;
  if (scopesId === undefined) return undefined;
  for (const scope of properties(session, scopesId)) {
    if (scope.value?.objectId === undefined || scope.value.description === 'Global') continue;
    const handles = properties(session, scope.value.objectId).find((variable) => variable.name === 'handles');
    if (handles?.value?.objectId === undefined) continue;
    ask(session, 'Runtime.callFunctionOn', {
      objectId: gateId,
      functionDeclaration: 'function (handles) { this.take(handles); }',
      arguments: [{ objectId: handles.value.objectId }],
    });
    // Not `instanceof`, because it is Node's own kind of Map (lib/internal/per_context/primordials.js, SafeMap).
    return typeof (found as Map<unknown, object> | undefined)?.values === 'function'
      ? (found as Map<unknown, object>)
      : undefined;
  }
  return undefined;
}

interface RemoteValue {
  objectId?: string;
  description?: string;
}

interface Answer {
  /** An object for `evaluate`, a list for `getProperties`. */
  result: RemoteValue & { name: string; value?: RemoteValue }[];
  internalProperties?: { name: string; value?: RemoteValue }[];
}

function properties(session: Session, objectId: string): { name: string; value?: RemoteValue }[] {
  return ask(session, 'Runtime.getProperties', { objectId, ownProperties: true }).result;
}

/** The Runtime domain of an in-process session answers before `post` returns. */
function ask(session: Session, method: string, params: object): Answer {
  let answer: Answer | undefined;
  let failure: Error | null = null;
  session.post(method, params, (error, result) => {
    failure = error;
    answer = result as Answer;
  });
  if (failure !== null || answer === undefined) throw failure ?? new Error(`${method} gave no answer`);
  return answer;
}
