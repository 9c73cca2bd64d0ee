// The one place where the command writes. Only our own colours control the terminal, no other character of a text does. Replies
// of an app go through `printableValue` first, so that they contain no line breaks either.
import { printableLines } from '../shared/text/printable.ts';
import { COLOURS } from './table.ts';

/** Writes what the person asked for, one line or several, to stdout. */
export function say(text: string): void {
  process.stdout.write(`${forTerminal(text)}\n`);
}

/** Writes what went wrong, one line or several, to stderr. */
export function complain(text: string): void {
  process.stderr.write(`${forTerminal(text)}\n`);
}

/** Writes JSON. Characters that a terminal obeys and `JSON.stringify` does not escape (C1, directions of writing) are escaped, too. */
export function sayJson(value: unknown, indent?: number): void {
  say(JSON.stringify(value, null, indent));
}

/**
 * Text in which only colours control a terminal.
 * @param colours an expression that captures them; our own unless told
 */
export function forTerminal(text: string, colours = COLOURS): string {
  // Every second piece is a colour.
  return text
    .split(colours)
    .map((piece, at) => (at % 2 === 1 ? piece : printableLines(piece)))
    .join('');
}
