// One line that tells how far a long command is, on stderr, so that what is printed at the end can be redirected.
import { forTerminal } from './output.ts';
import { paint } from './table.ts';

export interface ProgressLine {
  /** @param key as long as it stays the same, the line is only counted on: shown where somebody looks, not in a log */
  show(ms: number, text: string, key: string): void;
  /** Leaves the terminal's line empty for what comes next. */
  end(): void;
}

export function createProgressLine(quiet: boolean): ProgressLine {
  const rewrites = process.stderr.isTTY === true;
  let last = '';
  return {
    show(ms, text, key) {
      if (quiet) return;
      const line = forTerminal(`${paint('grey', `${(ms / 1000).toFixed(1).padStart(6)} s`)}  ${text}`);
      // One line that is written over; its width is the terminal's.
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
