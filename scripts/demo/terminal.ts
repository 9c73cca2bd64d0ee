// How the demo looks: a line that moves while something happens on a terminal, plain lines anywhere else.

import type { Load } from '../../testkit/load.ts';

const live = Boolean(process.stdout.isTTY) && !process.env.CI;
const coloured = live && !process.env.NO_COLOR;
const paint = (code: number) => (text: string) => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text);

export const mark = { bold: paint(1), dim: paint(2), bad: paint(31), good: paint(32) };

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const EVERY_MS = 100;

/** One line for each step: what is done, how long it takes, what came of it. */
export class Progress {
  #load: Load | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** From now on the moving line says what the clients see. */
  watch(load: Load): void {
    this.#load = load;
  }

  async step<T>(what: string, act: () => Promise<T>, outcome: (result: T) => string = () => ''): Promise<T> {
    const started = performance.now();
    this.#begin(what, started);
    try {
      const result = await act();
      const took = milliseconds(performance.now() - started);
      const said = outcome(result);
      this.#line(`${mark.good('✔')} ${what}  ${mark.dim(took)}${said ? `\n    ${said}` : ''}`);
      return result;
    } catch (error) {
      this.#line(`${mark.bad('✘')} ${what}  ${mark.dim(milliseconds(performance.now() - started))}`);
      throw error;
    }
  }

  end(): void {
    clearInterval(this.#timer);
    if (live) process.stdout.write('\r\x1b[K');
    this.#load = undefined;
  }

  #begin(what: string, started: number): void {
    if (!live) return;
    let frame = 0;
    const draw = () => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const seen = this.#load?.counts();
      const clients = seen ? `  ${seen.requests.toLocaleString('en')} requests, ${seen.failed} failed` : '';
      process.stdout.write(`\r\x1b[K${FRAMES[frame++ % FRAMES.length]} ${what}  ${mark.dim(`${seconds} s${clients}`)}`);
    };
    draw();
    this.#timer = setInterval(draw, EVERY_MS);
  }

  #line(text: string): void {
    clearInterval(this.#timer);
    process.stdout.write(`${live ? '\r\x1b[K' : ''}${text}\n`);
  }
}

export function milliseconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Columns: the first and the last to the left, figures to the right. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  const line = (cells: string[]) =>
    `  ${cells
      .map((cell, at) => (at === 0 || at === cells.length - 1 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('   ')
      .trimEnd()}`;
  return [mark.dim(line(head)), ...rows.map(line)].join('\n');
}
