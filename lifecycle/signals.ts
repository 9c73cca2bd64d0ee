// Everything that makes a service leave, each edge a function: signals, PM2's message, uncaught errors.

import { constants } from 'node:os';
import { MODULE_CMD, MODULE_TOPIC } from '../contract/agentMessages.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** A terminal sends Ctrl-C to everybody while npm or PM2 passes it on: within so many milliseconds it is one signal. */
const SAME_SIGNAL_MS = 100;

export interface Edges {
  /** The first `SIGINT`, `SIGTERM` or `shutdown`. */
  onSignal(by: string): void;
  /** Another signal after that; `code` is the exit code that shells use for it. */
  afterFirstSignal(by: string, code: number): void;
  /** Each error that nobody caught. */
  onError(error: unknown, origin: string): void;
  /** `pm2 reload` is starting this process's successor: a signal comes next. */
  onSuccessor(): void;
}

interface Packet {
  cmd?: unknown;
  topic?: unknown;
  data?: { kind?: unknown };
}

/** Listens until the returned function is called. */
export function listenToEdges(edges: Edges): () => void {
  let told = false;
  let signalledAtMs: number | undefined;

  const onSignal = (signal: NodeJS.Signals) => {
    const nowMs = performance.now();
    // PM2's SIGINT after its `shutdown` message is not a second signal.
    const first = signalledAtMs === undefined;
    signalledAtMs ??= nowMs;
    if (!told) tell(signal);
    else if (!first && nowMs - (signalledAtMs as number) > SAME_SIGNAL_MS)
      edges.afterFirstSignal(signal, 128 + constants.signals[signal]);
  };
  const onMessage = (message: unknown) => {
    if (message === 'shutdown') tell('shutdown');
  };
  // Where Node delivers what no `message` listener of the service is to see.
  const onPacket = (packet: Packet | null) => {
    const ours = packet?.cmd === MODULE_CMD && packet.topic === MODULE_TOPIC;
    if (ours && packet.data?.kind === 'successor') edges.onSuccessor();
  };
  const onUncaught = (error: unknown, origin: string) => edges.onError(error, origin);
  // PM2's own listener in cluster mode takes it away from `uncaughtException`, and only writes it down.
  const onRejection = (reason: unknown) => edges.onError(reason, 'unhandledRejection');

  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.on('message', onMessage);
  const internal = process as NodeJS.EventEmitter;
  internal.on('internalMessage', onPacket);
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onRejection);
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.off('message', onMessage);
    internal.off('internalMessage', onPacket);
    process.off('uncaughtException', onUncaught);
    process.off('unhandledRejection', onRejection);
  };

  function tell(by: string): void {
    if (told) return;
    told = true;
    edges.onSignal(by);
  }
}
