// Times as a person says them.

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `44 ms`, `1.2 s`, `45 s`, `3 min 20 s`, `2 h 3 min`, `5 d 2 h`: the two largest units. @param ms milliseconds */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(Math.max(0, ms))} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  let left = Math.round(ms / 1_000) * 1_000;
  const at = UNITS.findIndex(([, size]) => left >= size);
  const parts: string[] = [];
  for (const [unit, size] of UNITS.slice(at, at + 2)) {
    const count = Math.floor(left / size);
    if (count > 0) parts.push(`${count} ${unit}`);
    left -= count * size;
  }
  return parts.join(' ');
}

/** `2 h ago`: the largest unit alone. */
export function ago(ms: number): string {
  if (ms < 10_000) return 'just now';
  return `${duration(ms).split(' ').slice(0, 2).join(' ')} ago`;
}

/** `2026-11-26 13:05:12`, in the time zone of this process. @param at milliseconds of Date.now() */
export function dateAndTime(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '-';
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

const AGO = /^(\d{1,6})\s*(s|m|min|h|d)$/;
const FACTORS: Record<string, number> = { s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** The forms that `readMoment` takes. */
export const MOMENT_FORM = 'a time ago (90s, 30m, 2h, 7d) or a date (2026-11-26, 2026-11-26T10:00)';

/**
 * Reads a moment that a person types.
 * @param nowMs milliseconds of Date.now()
 * @returns milliseconds of Date.now(); undefined if the text is no moment. A date without a zone is in that of this process.
 */
export function readMoment(text: string, nowMs: number): number | undefined {
  const [, count, unit = ''] = AGO.exec(text.trim()) ?? [];
  if (count !== undefined) return nowMs - Number(count) * (FACTORS[unit] ?? 0);
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}\S*)?$/.test(text.trim())) return undefined;
  const hasTime = text.includes(':');
  const at = Date.parse(hasTime ? text.trim() : `${text.trim()}T00:00`);
  return Number.isNaN(at) ? undefined : at;
}
