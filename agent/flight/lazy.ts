// Writes the last words of this process. Compiled on first use, which is the end of most processes.
import { closeSync, constants, mkdirSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { LAST_WORDS_FOLDER, type LastWords, lastWordsName } from '../../contract/lastWords.ts';
import { openRegularSync } from '../../shared/files/regularFile.ts';

const MOST_FRAMES = 30;

/** Writes them in the place of those before. @throws when the file cannot be written */
export function writeLastWords(stateDir: string, words: LastWords): void {
  const folder = join(stateDir, LAST_WORDS_FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, lastWordsName(words.pid, words.startTicks));
  const fd = openRegularSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
  try {
    writeSync(fd, JSON.stringify(words));
  } finally {
    closeSync(fd);
  }
}

/** Takes them back: the process goes on. */
export function removeLastWords(stateDir: string, pid: number, startTicks: number): void {
  try {
    unlinkSync(join(stateDir, LAST_WORDS_FOLDER, lastWordsName(pid, startTicks)));
  } catch {
    // There were none.
  }
}

/** Within a listener to `exit`: was `process.exit` called, and by whom? `stack` is absent when our own drain did. */
export function exitCall(): { called: boolean; stack?: string } {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = MOST_FRAMES;
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = before;
  const exit = frames.findLastIndex((frame) => /\bat (process|Proxy|Object)\.(reallyExit|exit) /.test(frame));
  if (exit < 0) return { called: false };
  const callers = frames.slice(exit + 1).filter((frame) => !/\bpm2-ops:agent\b/.test(frame));
  const stack = callers.map((frame) => frame.trim()).join('\n');
  return { called: true, ...(/\((?!node:)|at (?!.*\(|node:)/.test(stack) ? { stack } : {}) };
}
