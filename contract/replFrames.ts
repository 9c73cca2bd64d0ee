// What the `pm2-ops repl` command and the thread that serves it inside an app say to each other: a line of JSON each.

/** From the command. */
export type ClientFrame =
  /** The first one: proves that the module has sent it, and how wide its terminal is. `colours` for a terminal only. */
  | { hello: string; columns: number; colours: boolean }
  | { run: string }
  | { complete: string }
  | { columns: number }
  | { interrupt: true };

/** To the command. */
export type ServerFrame =
  | { ready: { node: string; names: string[] } }
  | { print: string }
  /** What was run is over; `incomplete`: it may go on in another line, and nothing has been run. */
  | { done: 'ok' | 'error' | 'incomplete' }
  | { completions: [names: string[], of: string] }
  | { end: string };

/** Cuts a stream of bytes into frames; what is no JSON is passed over. */
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
  /** What runs is not waited for any more. */
  | { kind: 'abandon' };

export type ToWorker =
  | { kind: 'ready'; names: string[] }
  | { kind: 'print'; text: string }
  | { kind: 'done'; id: number; how: 'ok' | 'error' | 'incomplete' }
  | { kind: 'completions'; names: string[]; of: string }
  | { kind: 'close'; reason: string };

/** Where the thread finds, on the main thread's global, what to ask when somebody presses Ctrl-C. */
export const INTERRUPT = 'pm2-ops.repl.interrupt';

/**
 * Answers of that. `terminate`: end what runs now; `late`: it runs after an `await`, and is to be ended only if it still does
 * after a while; `abandon`: it waits, and is only to be forgotten; `stuck`: it cannot be ended; `idle`: nothing runs.
 */
export type Interruption = 'terminate' | 'late' | 'abandon' | 'stuck' | 'idle';
