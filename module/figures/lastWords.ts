// Reads the last words of a process that has ended. The process wrote them, so each field is checked.
import { closeSync, constants, fstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAST_WORDS_FOLDER, LAST_WORDS_MOST_BYTES, type LastWords, lastWordsName } from '../../contract/lastWords.ts';
import { openRegularSync } from '../../shared/files/regularFile.ts';

/**
 * The last words of that process; undefined when it has left none, or none that can be believed. To be called after its end: before,
 * they may still be taken back. Texts are as the app made them, secrets included.
 * @param startTicks the start of the process in clock ticks since boot
 */
export function readLastWords(stateFolder: string, pid: number, startTicks: number): LastWords | undefined {
  try {
    const words = parsed(join(stateFolder, LAST_WORDS_FOLDER, lastWordsName(pid, startTicks)));
    return words?.pid === pid && words.startTicks === startTicks ? words : undefined;
  } catch {
    return undefined;
  }
}

function parsed(file: string): LastWords | undefined {
  const fd = openRegularSync(file, constants.O_RDONLY);
  let value: unknown;
  try {
    if (fstatSync(fd).size > LAST_WORDS_MOST_BYTES) return undefined;
    value = JSON.parse(readFileSync(fd, 'utf8'));
  } finally {
    closeSync(fd);
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const {
    pid,
    startTicks,
    at,
    exceptions,
    exitCode,
    ranDry,
    exitStack,
    unhandledRejections,
    exception,
    lastRejection,
  } = value as Record<string, unknown>;
  const thrown = exceptionIn(exception);
  const rejected = textsIn(lastRejection);
  return {
    pid: numberIn(pid),
    startTicks: numberIn(startTicks),
    at: numberIn(at),
    ...(thrown === undefined ? {} : { exception: thrown }),
    exceptions: numberIn(exceptions),
    ...(Number.isSafeInteger(exitCode) ? { exitCode: exitCode as number } : {}),
    ranDry: ranDry === true,
    ...(typeof exitStack === 'string' ? { exitStack } : {}),
    unhandledRejections: numberIn(unhandledRejections),
    ...(rejected === undefined ? {} : { lastRejection: { message: rejected.message, stack: rejected.stack } }),
  };
}

function exceptionIn(value: unknown): LastWords['exception'] {
  const texts = textsIn(value);
  if (texts === undefined) return undefined;
  const { at, fatal, origin } = value as Record<string, unknown>;
  return { ...texts, at: numberIn(at), fatal: fatal === true, origin: textIn(origin) };
}

function textsIn(value: unknown): { name: string; message: string; stack: string } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, message, stack } = value as Record<string, unknown>;
  return { name: textIn(name), message: textIn(message), stack: textIn(stack) };
}

const numberIn = (value: unknown): number => (Number.isFinite(value) ? (value as number) : 0);
const textIn = (value: unknown): string => (typeof value === 'string' ? value : '');
