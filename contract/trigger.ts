// What `pm2 trigger` needs of a process that answers it.

/**
 * How long after a trigger its reply may go out: one that overtakes the daemon's own answer to `pm2 trigger` is printed but never
 * counted, and the command waits for ever (PM2's lib/API/Extra.js, `process_wait_count`).
 */
export const REPLY_AFTER_MS = 25;
