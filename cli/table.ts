// A table for a terminal.
import { widthOf } from '../shared/text/width.ts';

/** Rows under a header, columns as wide as their widest cell; colours do not count as width. */
export function table(header: string[], rows: string[][]): string {
  const widths = header.map((title, column) => Math.max(width(title), ...rows.map((row) => width(row[column]))));
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
      .join('  ')
      .trimEnd();
  return [line(header), line(widths.map((each) => '─'.repeat(each))), ...rows.map(line)].join('\n');
}

const CODES = { red: 31, green: 32, yellow: 33, grey: 90 } as const;
const DEFAULT = 39;

/** The character that begins every control sequence of a terminal. */
export const ESCAPE = '\u001b';

/** The colours that `paint` writes, captured for `split`. */
export const COLOURS = new RegExp(`(${ESCAPE}\\[(?:${[...Object.values(CODES), DEFAULT].join('|')})m)`);

/** Colours a text on a terminal, unless NO_COLOR is set (https://no-color.org). */
export function paint(colour: keyof typeof CODES, text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR
    ? `${ESCAPE}[${CODES[colour]}m${text}${ESCAPE}[${DEFAULT}m`
    : text;
}

function width(cell = ''): number {
  return widthOf(
    cell
      .split(COLOURS)
      .filter((_piece, at) => at % 2 === 0)
      .join(''),
  );
}
