// What nobody in the module has caught. PM2 gives a process up that ends 16 times within a second of its start, and with the
// module all agents would go: so an operation that failed is written down and the rest goes on; of an exception, after which
// nobody knows how things stand, the module starts anew, and never so soon that PM2 counts it.

import { printableLines } from '../shared/text/printable.ts';
import { redact } from '../shared/text/redact.ts';

/** PM2's `min_uptime` is a second; the more, the less it costs the host if the next one ends in the same way. */
const LIVES_AT_LEAST_MS = 5_000;

/** Takes over from Node, which would end the process at either. */
export function installLastResort(): void {
  process.on('unhandledRejection', (reason) => console.error(`pm2-ops: failed, and goes on: ${describe(reason)}`));
  process.on('uncaughtException', (error) => startAnew(`ended by an error: ${describe(error)}`));
}

/** Ends the module so that PM2 starts it again. */
export function startAnew(why: string): void {
  console.error(`pm2-ops: ${why}`);
  setTimeout(() => process.exit(1), Math.max(0, LIVES_AT_LEAST_MS - process.uptime() * 1000));
}

/** With its stack, for whoever is to mend it; an app may have chosen a part of it. */
export function describe(error: unknown): string {
  try {
    return printableLines(redact(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  } catch {
    return 'something that cannot be described';
  }
}
