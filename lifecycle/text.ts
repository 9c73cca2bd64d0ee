// Errors in one line.

/** An error whose message says all: the place in the code where it was made would not help. */
export class PlainError extends Error {}

/** What went wrong, without a stack and in one line. An AggregateError (what `connect` throws where a name has several
 * addresses) says nothing itself: its parts do. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && !error.message) return error.errors.map(messageOf).join('; ');
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}

/** The same, and where it was thrown unless it is of the system's making (those have a code): a mistake in the code is found
 * by its place. */
export function messageAndPlaceOf(error: unknown): string {
  const origin = originOf(error);
  if (!(origin instanceof Error) || origin instanceof PlainError || 'code' in origin) return messageOf(error);
  const place = /^\s+at (?:.*\()?(.*?)\)?$/m.exec(origin.stack ?? '')?.[1];
  return place === undefined ? messageOf(error) : `${messageOf(error)} (at ${place})`;
}

function originOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? originOf(error.cause) : error;
}
