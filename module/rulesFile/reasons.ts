// Says what is wrong with a value in words: zod's own texts are long, and are not in the bundle.
import { BARE_ACTIONS, DURATION, RULE_NAME, SIZE } from './schema.ts';

/** The part of zod's issues that is read here. */
export interface Issue {
  code?: string | undefined;
  path: readonly PropertyKey[];
  expected?: string;
  pattern?: string;
  keys?: readonly string[];
  values?: readonly unknown[];
  options?: readonly unknown[];
  minimum?: unknown;
  maximum?: unknown;
  inclusive?: boolean;
  errors?: readonly (readonly Issue[])[];
}

interface Reason {
  path: readonly PropertyKey[];
  reason: string;
}

const FORMS: [RegExp, string][] = [
  [DURATION, 'a time such as "30s", "5m" or "1d"'],
  [SIZE, 'a size such as "100MB" or "2GB"'],
  [RULE_NAME, '1 to 64 letters, digits, dashes or dots'],
];

/** @param root the whole value, in which the path of the issue leads to what was given */
export function reasonsOf(issue: Issue, root: unknown): Reason[] {
  const { path } = issue;
  const given = valueAt(root, path);
  const say = (must: string) => [
    { path, reason: `${fieldOf(path)} ${must}${given === undefined ? '' : `, not ${shown(given)}`}` },
  ];
  switch (issue.code) {
    case 'unrecognized_keys':
      return (issue.keys ?? []).map((key) => ({ path: [...path, key], reason: `there is no field "${key}" here` }));
    case 'invalid_format':
      return say(`must be ${FORMS.find(([form]) => String(form) === issue.pattern)?.[1] ?? 'of another form'}`);
    case 'invalid_value':
      return say(`must be ${list(issue.values ?? [])}`);
    case 'too_big':
      return say(`must be ${issue.inclusive === false ? 'less than' : 'at most'} ${String(issue.maximum)}`);
    case 'too_small':
      return say(`must be ${issue.inclusive === false ? 'more than' : 'at least'} ${String(issue.minimum)}`);
    case 'invalid_type':
      if (given === undefined) return [{ path, reason: `the field "${String(path.at(-1) ?? '')}" is missing` }];
      return say(`must be ${TYPES[issue.expected ?? ''] ?? issue.expected}`);
    case 'invalid_union':
      if (issue.options) return say(`must be ${list(issue.options)}`);
      return ofUnion(issue, root, given);
    default:
      return say('is not as it must be');
  }
}

const TYPES: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list in brackets',
  object: 'an object in braces',
};

/** An action is a name, or an object: what is said is about the form that was given. */
function ofUnion({ path, errors = [] }: Issue, root: unknown, given: unknown): Reason[] {
  if (typeof given !== 'object' || given === null)
    return [{ path, reason: `an action must be ${list(BARE_ACTIONS)}, not ${shown(given)}` }];
  return (errors.at(-1) ?? []).flatMap((issue) => reasonsOf({ ...issue, path: [...path, ...issue.path] }, root));
}

function fieldOf(path: readonly PropertyKey[]): string {
  const name = path.findLast((part) => typeof part === 'string');
  const at = path.at(-1);
  if (name === undefined) return 'the file';
  return typeof at === 'number' ? `number ${at + 1} of "${String(name)}"` : `"${String(name)}"`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part], root);
}

function list(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`;
}

function shown(given: unknown): string {
  const text = JSON.stringify(given);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
