// What `pm2 trigger` expects of a process that answers it.

/**
 * How long a reply has to wait after its trigger. `pm2 trigger` prints a reply that arrives before the daemon's own answer, but does
 * not count it, and then waits for ever (PM2's lib/API/Extra.js, `process_wait_count`).
 */
export const REPLY_AFTER_MS = 25;
