// What a person reads of a reload run: its progress, its notes, and the line to type for another one.
import type { ReloadProgress } from '../../../contract/commandMessages.ts';
import { NAME } from '../../../contract/names.ts';
import { shellLine } from '../../../shared/text/shell.ts';

/** The lines of one run. */
export interface ProgressLines {
  /** What the answer tells beside the replaced instances. */
  readonly notes: string[];
  /** Tells the caller and the log how far the run is. */
  progress(step: ReloadProgress['step'], message: string, more?: { deadlineMs?: number }): void;
  /** Tells it now, and once more with the answer. */
  note(text: string): void;
  /** The line that asks for the same reload, with more flags, the way in which it was asked for. */
  again(...flags: string[]): string;
  /** When the run began, in the time of performance.now(). */
  readonly startedMs: number;
  elapsedMs(): number;
}

/** @param tell gets each line; the module's log has it too */
export function createProgressLines(
  title: string,
  by: 'command' | 'trigger',
  tell: (progress: ReloadProgress) => void,
  log: (line: string) => void,
): ProgressLines {
  const startedMs = performance.now();
  const notes: string[] = [];
  const elapsedMs = () => Math.round(performance.now() - startedMs);
  return { notes, startedMs, progress, note, again, elapsedMs };

  function progress(step: ReloadProgress['step'], message: string, more: { deadlineMs?: number } = {}): void {
    log(`reload ${title}: ${message}`);
    tell({ action: 'reload', app: title, step, message, ms: elapsedMs(), ...more });
  }

  function note(text: string): void {
    notes.push(text);
    progress('note', text);
  }

  function again(...flags: string[]): string {
    if (by === 'command') return shellLine(NAME, 'reload', title, ...flags.map((flag) => `--${flag}`));
    const params = [`app=${title}`, ...flags.map((flag) => `${flag}=true`)].join(' ');
    return shellLine('pm2', 'trigger', NAME, 'reload', params);
  }
}
