// A row of figures as a small picture in one line of text.

const BLOCKS = '▁▂▃▄▅▆▇█';

/**
 * The highest figure of each stretch, from 0 to the highest of all.
 * @param width columns at most
 */
export function sparkline(values: readonly number[], width: number): string {
  const count = Math.min(values.length, width);
  const highest = Math.max(...values, 0);
  let line = '';
  for (let at = 0; at < count; at++) {
    const from = Math.floor((at * values.length) / count);
    const to = Math.floor(((at + 1) * values.length) / count);
    const value = Math.max(0, ...values.slice(from, to));
    line += BLOCKS[highest === 0 ? 0 : Math.round((value / highest) * (BLOCKS.length - 1))];
  }
  return line;
}
