// Exits on a terminal, one line each, or two where it is narrow.
import { titleOf } from '../contract/app.ts';
import type { ExitRecord } from '../contract/exits.ts';
import { slotOf } from '../contract/pmId.ts';
import { dateAndTime, duration } from '../shared/text/duration.ts';
import { codeOrSignal, whatFollowed } from '../shared/text/exitWords.ts';
import { shorten } from '../shared/text/width.ts';
import { paint, table } from './table.ts';

/** Columns that the table needs beside its causes, and those that a cause should have. */
const BESIDE_CAUSE = 75;
const LEAST_FOR_CAUSE = 25;

/** Causes by which nothing has failed. */
const ASKED: ReadonlySet<string> = new Set(['cron', 'watch', 'restart', 'reload', 'stop', 'delete']);

/** @param records without control characters @param columns of the terminal */
export function exitList(records: readonly ExitRecord[], columns: number): string {
  if (columns < BESIDE_CAUSE + LEAST_FOR_CAUSE) return records.map((record) => inTwoLines(record, columns)).join('\n');
  return table(
    ['when', 'process', 'why', 'with', 'up', 'then'],
    records.map((record) => [
      dateAndTime(record.at),
      nameOf(record),
      causeOf(record, columns - BESIDE_CAUSE),
      codeOrSignal(record),
      duration(record.uptimeMs),
      whatFollowed(record.followed),
    ]),
  );
}

/** `web:0`, as a person types it. */
export function nameOf(record: ExitRecord): string {
  return `${titleOf(record)}:${slotOf(record.pmId)}`;
}

/** The cause in words, coloured by whether something has failed. */
export function causeOf({ cause, certainty, headline }: ExitRecord, columns: number): string {
  const doubt = certainty === 'probable' && !headline.startsWith('probably') ? 'probably: ' : '';
  const text = shorten(`${doubt}${headline}`, columns);
  return paint(ASKED.has(cause) ? 'grey' : cause === 'unknown' ? 'yellow' : 'red', text);
}

function inTwoLines(record: ExitRecord, columns: number): string {
  const first = `${dateAndTime(record.at)}  ${nameOf(record)}  up ${duration(record.uptimeMs)}`;
  const rest = [codeOrSignal(record), whatFollowed(record.followed)].filter((text) => text !== '-').join(', ');
  const lines = [
    first,
    `  ${causeOf(record, columns - 2)}`,
    ...(rest === '' ? [] : [`  ${shorten(rest, columns - 2)}`]),
  ];
  return lines.join('\n');
}
