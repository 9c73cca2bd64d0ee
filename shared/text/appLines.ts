// The lines of an app out of what it has written.
import { stripVTControlCharacters } from 'node:util';

/** Node writes these when an agent is attached; they are not the app's. */
const NOT_THE_APPS =
  /^(Debugger (listening on|attached|ending)|For help, see: https:\/\/nodejs\.org|Waiting for the debugger)/;

/** The lines of a text, without colours, blank lines, and what Node says of the inspector. */
export function appLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => stripVTControlCharacters(line).trimEnd())
    .filter((line) => line !== '' && !NOT_THE_APPS.test(line));
}
