// Everything that makes a service exit, each a function: signals, PM2's messages, uncaught errors.

import { MODULE_CMD, MODULE_TOPIC } from '../contract/agentMessages.ts';
import { createInsistence, EXIT_CODES, EXIT_SIGNALS, type ExitSignal, SHUTDOWN_MESSAGE } from '../drain/signals.ts';

export interface Signals {
  /** The first `SIGINT`, `SIGTERM` or `shutdown`. */
  onSignal(by: string): void;
  /** Another signal after that; `code` is the exit code that shells use for it. */
  afterFirstSignal(by: string, code: number): void;
  /** Each error that the app did not catch. */
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
export function listenToSignals(signals: Signals): () => void {
  let told = false;
  const insists = createInsistence();

  const onSignal = (signal: ExitSignal) => {
    const again = insists();
    if (!told) tell(signal);
    else if (again) signals.afterFirstSignal(signal, EXIT_CODES[signal]);
  };
  const onMessage = (message: unknown) => {
    if (message === SHUTDOWN_MESSAGE) tell(SHUTDOWN_MESSAGE);
  };
  // Node delivers here what no `message` listener of the service is to see.
  const onPacket = (packet: Packet | null) => {
    const ours = packet?.cmd === MODULE_CMD && packet.topic === MODULE_TOPIC;
    if (ours && packet.data?.kind === 'successor') signals.onSuccessor();
  };
  const onUncaught = (error: unknown, origin: string) => signals.onError(error, origin);
  // In cluster mode a listener of PM2's keeps rejections from `uncaughtException`, and only logs them.
  const onRejection = (reason: unknown) => signals.onError(reason, 'unhandledRejection');

  for (const signal of EXIT_SIGNALS) process.on(signal, onSignal as NodeJS.SignalsListener);
  process.on('message', onMessage);
  const internal = process as NodeJS.EventEmitter;
  internal.on('internalMessage', onPacket);
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onRejection);
  return () => {
    for (const signal of EXIT_SIGNALS) process.off(signal, onSignal as NodeJS.SignalsListener);
    process.off('message', onMessage);
    internal.off('internalMessage', onPacket);
    process.off('uncaughtException', onUncaught);
    process.off('unhandledRejection', onRejection);
  };

  function tell(by: string): void {
    if (told) return;
    told = true;
    signals.onSignal(by);
  }
}
