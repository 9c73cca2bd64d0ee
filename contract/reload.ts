// The times of a rolling reload, which `pm2-ops reload` and `pm2 trigger pm2-ops reload` share.

/** For each time, its meaning for a person, and its default. */
export const RELOAD_TIMES = {
  timeout: { is: 'milliseconds an instance may take to become ready', standardMs: 30_000 },
  settle: { is: 'milliseconds for which the first one must stay up', standardMs: 3_000 },
  drain: { is: 'milliseconds that requests in flight may take to finish', standardMs: 30_000 },
  patient: {
    is: "milliseconds with keep-alive off before the drain, such as the server's keepAliveTimeout",
    standardMs: 0,
  },
} as const;

/** The name of one of those times. */
export type ReloadTime = keyof typeof RELOAD_TIMES;

/** The meaning of a time with its default: `milliseconds an instance may take to become ready (30000)`. */
export function aboutReloadTime(name: ReloadTime): string {
  const { is, standardMs } = RELOAD_TIMES[name];
  return `${is} (${standardMs})`;
}
