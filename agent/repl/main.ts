// A REPL inside an app: one thread serves its socket, and the app's own thread evaluates. The module sends this file as a text when
// a person opens a REPL (setting `repl`), so that other apps carry none of its code.

import { Worker } from 'node:worker_threads';
import type { ToMain, ToWorker } from '../../contract/replFrames.ts';
import type { ReplData } from '../../contract/replRequest.ts';
import { createEvaluator } from './evaluator.ts';

export interface ReplOptions extends ReplData {
  /** The source of the thread that serves the socket. */
  worker: string;
}

export interface OpenRepl {
  close(reason: string): void;
}

const STARTS_WITHIN_MS = 10_000;

/**
 * Opens a REPL in this process.
 * @param onClosed called once it is over
 * @throws when its socket cannot be opened
 */
export async function open(options: ReplOptions, onClosed: () => void): Promise<OpenRepl> {
  const { worker: source, ...data } = options;
  // Evaluator and thread exist before the first message.
  const tell = (message: ToWorker) => worker.postMessage(message);
  const evaluator = createEvaluator(tell);
  let worker: Worker;
  try {
    worker = new Worker(source, { eval: true, workerData: data, env: {}, execArgv: [] });
  } catch (error) {
    evaluator.dispose();
    throw error;
  }
  let over = false;
  const clean = () => {
    if (over) return;
    over = true;
    evaluator.dispose();
    onClosed();
  };
  const repl: OpenRepl = { close: (reason) => tell({ kind: 'close', reason }) };
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(late);
      clean();
      void worker.terminate();
      reject(error);
    };
    const late = setTimeout(
      () => fail(new Error(`its thread did not start within ${STARTS_WITHIN_MS} ms`)),
      STARTS_WITHIN_MS,
    );
    late.unref();
    worker.on('message', (message: ToMain) => {
      if (message.kind === 'failed') fail(new Error(message.message));
      else if (message.kind === 'listening') {
        clearTimeout(late);
        resolve(repl);
      } else if (!over) evaluator.hear(message);
    });
    // An error of ours ends the session, never the app.
    worker.on('error', fail);
    worker.on('exit', () => {
      clearTimeout(late);
      clean();
      reject(new Error('its thread has ended'));
    });
    worker.unref();
  });
}
