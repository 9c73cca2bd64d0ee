// One line on stderr that tells how far a long command is, so that stdout can be redirected.
import { forTerminal } from './output.ts';
import { paint } from './table.ts';

export interface ProgressLine {
  /** Shows the line. @param key while it stays the same only the count changes: a terminal shows that, a log does not */
  show(ms: number, text: string, key: string): void;
  /** Empties the terminal's line. */
  end(): void;
}

/** Makes the line. @param quiet whether it shows nothing at all */
export function createProgressLine(quiet: boolean): ProgressLine {
  const rewrites = process.stderr.isTTY === true;
  let last = '';
  return {
    show(ms, text, key) {
      if (quiet) return;
      const line = forTerminal(`${paint('grey', `${(ms / 1000).toFixed(1).padStart(6)} s`)}  ${text}`);
      // The line is written over, so it must not be wider than the terminal.
      if (rewrites) process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 80) + 9)}`);
      else if (key !== last) process.stderr.write(`${line}\n`);
      last = key;
    },
    end() {
      if (rewrites && last !== '') process.stderr.write('\r\u001b[K');
      last = '';
    },
  };
}
