// V8's inspector as the REPL uses it, from the app's own thread: it evaluates in the context of typed code, and returns the values
// themselves.

import { type InspectorNotification, type Runtime, Session } from 'node:inspector';

export interface Inspection {
  contextId: number;
  /** Posts a command. V8 runs in the same thread, so it answers before this returns. */
  post<T>(method: string, params?: object): { error: Error | null; answer: T } | undefined;
  /** The value that an answer of V8 describes. */
  take(remote: Runtime.RemoteObject): unknown;
  /** Lets V8 forget what it keeps for typed code. */
  release(): void;
  dispose(): void;
}

/** The inspector keeps the values of typed code under this name. */
export const OBJECT_GROUP = 'typed';

/**
 * Connects an inspector session.
 * @param name of the context, by which V8 lists it
 */
export function inspect(context: Record<string, unknown>, name: string): Inspection {
  const session = new Session();
  session.connect();
  const contextId = findContext(session, name);
  let taken: unknown;
  // V8 hands values only to functions that run inside the app: this object receives them.
  Object.defineProperty(context, '$sink', {
    value: {
      take: (value: unknown) => {
        taken = value;
      },
    },
    configurable: true,
  });
  const sinkId =
    post<Runtime.EvaluateReturnType>('Runtime.evaluate', { expression: '$sink', contextId, objectGroup: 'sink' })
      ?.answer?.result.objectId ?? '';
  delete context.$sink;

  function post<T>(method: string, params?: object): { error: Error | null; answer: T } | undefined {
    let outcome: { error: Error | null; answer: T } | undefined;
    session.post(method, params, (error, answer) => {
      outcome = { error, answer: answer as T };
    });
    return outcome;
  }

  return {
    contextId,
    post,
    take({ objectId, value, unserializableValue }) {
      if (objectId === undefined && unserializableValue === undefined) return value;
      taken = undefined;
      session.post('Runtime.callFunctionOn', {
        objectId: sinkId,
        functionDeclaration: 'function (value) { this.take(value); }',
        arguments: [objectId === undefined ? { unserializableValue } : { objectId }],
        silent: true,
      });
      const result = taken;
      taken = undefined;
      return result;
    },
    release: () => session.post('Runtime.releaseObjectGroup', { objectGroup: OBJECT_GROUP }),
    dispose: () => session.disconnect(),
  };
}

/** V8 lists its contexts when `Runtime` is enabled. Disables it at once, because V8 would keep everything that the app logs. */
function findContext(session: Session, name: string): number {
  let id = 0;
  const hear = ({ params }: InspectorNotification<Runtime.ExecutionContextCreatedEventDataType>) => {
    if (params.context.name === name) id = params.context.id;
  };
  session.on('Runtime.executionContextCreated', hear);
  session.post('Runtime.enable');
  session.post('Runtime.disable');
  session.removeListener('Runtime.executionContextCreated', hear);
  return id;
}
