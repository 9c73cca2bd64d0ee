// What the `pm2-ops repl` command and the thread that serves it inside an app say to each other, in lines of JSON.

/** From the command. */
export type ClientFrame =
  /** The first frame: the module's token proves that the client may connect. `colours` only for a terminal. */
  | { hello: string; columns: number; colours: boolean }
  | { run: string }
  | { complete: string }
  | { columns: number }
  | { interrupt: true };

/** To the command. */
export type ServerFrame =
  | { ready: { node: string; names: string[] } }
  | { print: string }
  /** The code has run. With `incomplete` it has not: the code may go on in another line. */
  | { done: 'ok' | 'error' | 'incomplete' }
  | { completions: [names: string[], of: string] }
  | { end: string };

/** Splits a stream into frames, and skips lines that are no JSON. */
export function frameReader<Frame>(onFrame: (frame: Frame) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      let frame: Frame;
      try {
        frame = JSON.parse(line) as Frame;
      } catch {
        continue;
      }
      onFrame(frame);
    }
  };
}

/** What the app's main thread and the thread that serves the socket say to each other. */
export type ToMain =
  | { kind: 'listening' }
  | { kind: 'failed'; message: string }
  | { kind: 'columns'; columns: number; colours: boolean }
  | { kind: 'run'; id: number; code: string }
  | { kind: 'complete'; line: string }
  /** The client no longer waits for the code that runs. */
  | { kind: 'abandon' };

export type ToWorker =
  | { kind: 'ready'; names: string[] }
  | { kind: 'print'; text: string }
  | { kind: 'done'; id: number; how: 'ok' | 'error' | 'incomplete' }
  | { kind: 'completions'; names: string[]; of: string }
  | { kind: 'close'; reason: string };

/** The name on the main thread's global under which the other thread finds the function to call on Ctrl-C. */
export const INTERRUPT = 'pm2-ops.repl.interrupt';

/**
 * The answers of that function. `terminate`: end the code that runs now; `late`: the code runs after an `await`, so end it only if
 * it still runs after a while; `abandon`: the code waits, so only forget it; `stuck`: it cannot be ended; `idle`: nothing runs.
 */
export type Interruption = 'terminate' | 'late' | 'abandon' | 'stuck' | 'idle';
