// The one place where the command writes. Whatever it is given, no character of it controls the terminal but our own colours;
// and what an app has said has no line breaks either, for which its replies go through `printableValue` first.
import { printableLines } from '../shared/text/printable.ts';
import { COLOURS } from './table.ts';

/** A line, or several, of what was asked for. */
export function say(text: string): void {
  process.stdout.write(`${forTerminal(text)}\n`);
}

/** A line, or several, beside that: what went wrong. */
export function complain(text: string): void {
  process.stderr.write(`${forTerminal(text)}\n`);
}

/** What `JSON.stringify` leaves as it is and a terminal obeys (C1, directions of writing) is escaped in JSON's own way. */
export function sayJson(value: unknown, indent?: number): void {
  say(JSON.stringify(value, null, indent));
}

/**
 * Text in which nothing controls a terminal.
 * @param colours but these, which the expression captures; ours unless told
 */
export function forTerminal(text: string, colours = COLOURS): string {
  // Every second piece is a colour.
  return text
    .split(colours)
    .map((piece, at) => (at % 2 === 1 ? piece : printableLines(piece)))
    .join('');
}
