// The environment that a process was started with.
import { readFileSync } from 'node:fs';

/** @returns by name, as UTF-8, since a value may hold any character; empty when the process is gone or another user's */
export function environmentOf(pid: number): Map<string, string> {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
    return new Map(variables.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]));
  } catch {
    return new Map();
  }
}
