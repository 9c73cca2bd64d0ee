// How a person names processes: a pm_id, an app's name, `name:pm_id`, `namespace:name` or `all`. Names may contain any character, so
// only the module, which knows the fleet, can tell which of these a text is.
import { readPair } from './params.ts';

/** The target that means every process. */
export const ALL = 'all';

/**
 * Reads the parameter of an action that takes only a target: `app=my app`, `id=3`, `{"app":"my app"}`, or the target itself. No
 * parameter means all.
 * @param isName is there an app with exactly this name? Then the text means that app, whatever it looks like
 * @returns undefined if it is none of these
 */
export function readTarget(raw: unknown, isName: (text: string) => boolean): string | undefined {
  if (raw === undefined || raw === null || raw === '') return ALL;
  if (typeof raw === 'number') return String(raw);
  if (typeof raw === 'object') return targetIn(raw);
  const text = String(raw);
  if (isName(text)) return text;
  if (text.trim().startsWith('{')) {
    try {
      return targetIn(JSON.parse(text) as object);
    } catch {
      return undefined;
    }
  }
  const pair = readPair(text.trimStart());
  if (!pair) return text.trim() || ALL;
  const [key, value] = pair;
  if ((key !== 'app' && key !== 'id') || !value) return undefined;
  return isName(value) ? value : value.trim();
}

/** The name in `name:pm_id`; undefined if the target does not have this form. */
export function nameBeforeId(target: string): string | undefined {
  return /^(.+):\d+$/.exec(target)?.[1];
}

function targetIn(given: object): string | undefined {
  const entries = Object.entries(given);
  if (entries.length === 0) return ALL;
  const [[key, value] = []] = entries;
  const known = entries.length === 1 && (key === 'app' || key === 'id');
  return known && (typeof value === 'string' || typeof value === 'number') ? String(value) : undefined;
}
