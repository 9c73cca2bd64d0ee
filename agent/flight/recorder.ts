// The flight recorder: the figures of this process while it runs, and its last words when it ends. It keeps no process alive, and an app
// hears nothing of it.
import { readStat } from '../../shared/linux/proc.ts';
import { ours } from '../listeners.ts';
import { watchFaults } from './faults.ts';
import { createHeapReport } from './heapReport.ts';
import { createLoopDelay, MEASURED_EVERY_MS } from './loopDelay.ts';
import { countRequests } from './requests.ts';
import { openRing, type Ring } from './ring.ts';
import { createSampler, type Sampler } from './sampler.ts';

/** Pause between two samples of a process that works, and of one that is idle: each sample wakes it. */
const BUSY_MS = 1_000;
const IDLE_MS = 5_000;
/** From this utilization on, a process works. */
const BUSY = 0.02;

export interface Recorder {
  /** Ends the record and removes its files. */
  stop(): void;
}

/**
 * Starts the record.
 * @param stateDir the folder for its files; this process can write to it
 * @param connections how many the process has open
 * @returns null where /proc does not tell when this process began
 */
export function startRecorder(stateDir: string, connections: () => number): Recorder | null {
  const { pid } = process;
  const startTicks = readStat(pid)?.startTime;
  if (startTicks === undefined) return null;
  const requests = countRequests();
  const faults = watchFaults(onException);
  const heapReport = createHeapReport(stateDir);
  let ring: Ring | undefined;
  let sampler: Sampler | undefined;
  let ranDry = false;
  let hasSpoken = false;
  let exiting = false;
  const delay = createLoopDelay(performance.now());
  let dueMs = performance.now() + BUSY_MS;
  const timer = setInterval(tick, MEASURED_EVERY_MS).unref();

  const onBeforeExit = ours(() => {
    ranDry = true;
  });
  const onExit = ours((code: unknown) => {
    try {
      exiting = true;
      speak(Number(code));
      sample();
    } catch {
      // The process ends with what was written before.
    }
  });
  process.on('beforeExit', onBeforeExit);
  // First, because another listener may throw, and then those behind it are not called.
  process.prependListener('exit', onExit);

  return {
    stop() {
      clearInterval(timer);
      process.removeListener('beforeExit', onBeforeExit);
      process.removeListener('exit', onExit);
      faults.stop();
      requests.stop();
      heapReport.stop();
      ring?.remove();
      if (hasSpoken) takeBack();
    },
  };

  function tick(): void {
    const nowMs = performance.now();
    delay.tick(nowMs);
    try {
      sampler ??= createSampler(requests, faults, delay, connections);
      heapReport.look(sampler.heap());
      if (nowMs >= dueMs) dueMs = nowMs + sample();
    } catch {
      // No file can be made or written there: the process goes on without a record.
      clearInterval(timer);
    }
  }

  /** @returns when the next one is due. @throws when there can be no more */
  function sample(): number {
    sampler ??= createSampler(requests, faults, delay, connections);
    ring ??= openRing(stateDir, pid, startTicks!);
    const taken = sampler.take((utilization) => (utilization > BUSY ? BUSY_MS : IDLE_MS));
    ring.put(taken);
    return taken.nextWithinMs;
  }

  /** Writes at once, because a handler of the app may end the process in ways that no `exit` event follows. */
  function onException(isNew: boolean): void {
    // An `exit` listener of the app has thrown: the process ends of what was before.
    if (exiting) return;
    if (isNew) speak();
    else takeBack();
  }

  function speak(exitCode?: number): void {
    const { writeLastWords, exitCall } = require('./lazy.ts') as typeof import('./lazy.ts');
    const exception = faults.exception();
    const rejection = faults.rejection();
    const call = exitCode === undefined ? undefined : exitCall();
    hasSpoken = true;
    writeLastWords(stateDir, {
      pid,
      startTicks: startTicks!,
      at: Date.now(),
      ...(exception === undefined ? {} : { exception }),
      exceptions: faults.exceptions,
      ...(exitCode === undefined ? {} : { exitCode }),
      ranDry: ranDry && call?.called === false && exception?.fatal !== true,
      ...(call?.stack === undefined ? {} : { exitStack: call.stack }),
      unhandledRejections: faults.rejections,
      ...(rejection === undefined ? {} : { lastRejection: { message: rejection.message, stack: rejection.stack } }),
    });
  }

  function takeBack(): void {
    const { removeLastWords } = require('./lazy.ts') as typeof import('./lazy.ts');
    hasSpoken = false;
    removeLastWords(stateDir, pid, startTicks!);
  }
}
