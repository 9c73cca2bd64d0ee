// Times and sizes as a person writes them in rules.json, and as rules are shown.

const MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 } as const;

/** Milliseconds of `30s`, `5m`, `1.5h`. */
export function msOf(text: string): number {
  return read(text, MS);
}

/** Bytes of `100MB`, `2GB`. */
export function bytesOf(text: string): number {
  return Math.round(read(text, BYTES));
}

/** `30s`, in the largest unit that fits. */
export function timeText(ms: number): string {
  return write(ms, MS);
}

/** `100MB`, in the largest unit that fits. */
export function sizeText(bytes: number): string {
  return write(bytes, BYTES);
}

function read(text: string, units: Record<string, number>): number {
  const [, figure, unit = ''] = /^([\d.]+)([a-zA-Z]+)$/.exec(text) ?? [];
  return Number(figure) * (units[unit] ?? Number.NaN);
}

function write(value: number, units: Record<string, number>): string {
  const entries = Object.entries(units);
  const [unit, one] = entries.findLast(([, each]) => value >= each) ?? entries[0]!;
  return `${Number((value / one).toFixed(1))}${unit}`;
}
