// Handles the errors that nothing in the module has caught. PM2 gives up a process that ends 16 times within a second of its
// start, and all agents would leave with the module. So after a rejected promise the module logs it and goes on. An exception may
// leave the module's state broken: then it starts anew, but never so soon that PM2 counts it.

import { printableLines } from '../shared/text/printable.ts';
import { redact } from '../shared/text/redact.ts';

/** More than PM2's `min_uptime` of a second; the longer, the less a module that fails at every start costs the host. */
const LIVES_AT_LEAST_MS = 5_000;

/** Replaces Node's own handling, which would end the process in both cases. */
export function installLastResort(): void {
  process.on('unhandledRejection', (reason) => console.error(`pm2-ops: failed, and goes on: ${describe(reason)}`));
  process.on('uncaughtException', (error) => startAnew(`ended by an error: ${describe(error)}`));
}

/** Ends the module so that PM2 starts it again. */
export function startAnew(why: string): void {
  console.error(`pm2-ops: ${why}`);
  setTimeout(() => process.exit(1), Math.max(0, LIVES_AT_LEAST_MS - process.uptime() * 1000));
}

/** The error with its stack. It may contain an app's text, so secrets and control characters are taken out. */
export function describe(error: unknown): string {
  try {
    return printableLines(redact(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  } catch {
    return 'something that cannot be described';
  }
}
