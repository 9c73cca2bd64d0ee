// The environment that a process was started with.
import { readFileSync } from 'node:fs';

/** @returns values by name, decoded as UTF-8; empty when the process is gone or belongs to another user */
export function environmentOf(pid: number): Map<string, string> {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .filter((each) => each.includes('='));
    return new Map(variables.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]));
  } catch {
    return new Map();
  }
}
