// What an incident tells leaves the host. So its texts carry no secret that can be recognised, no character that controls a
// terminal, and no more than a person reads.
import type { Incident } from '../../contract/alerts.ts';
import { printable } from '../../shared/text/printable.ts';
import { redact, redactLines } from '../../shared/text/redact.ts';

const LONGEST_LINE = 300;
const MOST_LINES = 12;

/** One safe line, without secrets, of at most 300 characters. */
export function safeLine(text: string): string {
  return shortened(printable(redact(text)));
}

/** The incident as it may be kept and sent. */
export function safeIncident({ key, title, details, next, ...rest }: Incident): Incident {
  return {
    ...rest,
    key: shortened(printable(key)),
    title: safeLine(title),
    details: redactLines(details.slice(0, MOST_LINES)).map((line) => shortened(printable(line))),
    ...(next === undefined ? {} : { next: safeLine(next) }),
  };
}

function shortened(line: string): string {
  return line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}…` : line;
}
